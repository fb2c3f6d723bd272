/* One chart for each task: means with intervals, by backbone. */

/** Lines of a chart: a heading for each group, if several, and its rows. */
function taskLines({groups}) {
  return groups.flatMap(({title, rows, tied}) => {
    const own = rows.map((i) => DATA.rows[i]);
    const names = labels(own);
    return [...(groups.length > 1 ? [{head: title}] : []),
      ...own.map((row, i) => ({row, name: names[i],
        tied: tied.includes(rows[i]),
        band: tied.map((j) => DATA.rows[j].mean)}))];
  });
}

function taskTable(chart) {
  const heads = ['Method', 'Backbone', 'Mean', '95% interval', 'Place',
    'Published'];
  const lines = chart.groups.flatMap(({title, rows}) => {
    const own = rows.map((i) => DATA.rows[i]);
    const names = labels(own);
    return own.map((row, i) => [names[i], title, row.text.mean,
      row.text.interval, row.text.standing,
      row.published.length ? row.published[0].text : '']);
  });
  return {heads, lines};
}

/** How many ticks an axis of so many pixels has. */
function tickCount(width) {
  return Math.min(10, Math.max(3, Math.round(width / 75)));
}

/** The axis of numbers of a chart: its range, and which way is better. */
function qualityAxis(chart, numbers, width) {
  const domain = rangeOf(numbers);
  return {title: `${chart.axis} →`,
    scale: {domain, nice: false, zero: false, reverse: chart.reversed},
    axis: {tickCount: tickCount(width),
      ...axisFormat(domain)}};
}

function drawTask(chart, lines, width) {
  const {keys, names: shown, left} = linesOf(
    lines.map((line) => line.name || ''), width);
  const right = 18 + Math.max(...lines.map(
    ({row}) => (row ? textWidth(row.text.mean) : 0)));
  const rows = lines.flatMap(({head, row, name, tied, band}, i) => {
    const key = keys[i];
    if (head) {
      return [{key, kind: 'head', name: cutText(head, width - 10),
        dx: 2 - left}];
    }
    const item = row.published[0] || {value: null, text: ''};
    return [...(tied ? [{key, kind: 'band', lo: Math.min(...band),
      hi: Math.max(...band)}] : []),
    {...meanRow(row, key, name), published: item.value,
      published_text: item.text}];
  });
  const numbers = rows.flatMap(({mean, lo, hi, published}) =>
    [mean, lo, hi, published]);
  return {rows: [...shown, ...rows], left, right, channels: {
    x: qualityAxis(chart, numbers, width - left - right),
    y: {scale: {domain: keys}}}};
}

function drawTasks() {
  $('printed-key').hidden = !DATA.charts.some(({groups}) => groups.some(
    ({rows}) => rows.some((i) => DATA.rows[i].published.length)));
  return DATA.charts.map((chart) => {
    const task = TASKS.get(chart.task);
    const lines = taskLines(chart);
    const figure = el('figure', {class: 'card'}, el('figcaption', {},
      el('h3', {}, task.title)));
    $('task-charts').append(figure);
    const notes = chart.groups.filter(({note}) => note).map(
      ({title, note}) => (chart.groups.length > 1 ? `${title}: ${note}`
        : note));
    const drawn = addChart(figure, {spec: 'dots', title: task.title,
      axis: chart.axis, file: chart.task, height: 28 * lines.length + 52,
      label: `${task.title}, ${chart.axis}. ${notes.join('. ')}`,
      table: () => taskTable(chart),
      draw: (width) => drawTask(chart, lines, width)});
    figure.querySelector('.plot').after(...notes.map(
      (text) => el('p', {class: 'note'}, text)));
    return drawn;
  });
}

section('by-task', {shown: () => DATA.charts.length > 0, start: drawTasks});
