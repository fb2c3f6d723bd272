/* Quality against what it cost, with the Pareto fronts that Python found. */

/** Charts of tasks with a recorded cost. */
const COST_CHARTS = DATA.charts.filter((chart) => chart.groups.some(
  ({rows}) => rows.some((i) => Object.keys(DATA.rows[i].cost).length)));

/** Kinds of cost that the runs of a task recorded. */
function costKinds(chart) {
  return DATA.cost_kinds.filter(({id}) => chart.groups.some(
    ({rows}) => rows.some((i) => DATA.rows[i].cost[id])));
}

/** Rows of a chart with a cost of this kind, and where they stand. */
function costPoints(chart, kind) {
  const all = chart.groups.flatMap(({title, rows}, group) => rows.map(
    (i) => ({row: DATA.rows[i], group: title,
      front: DATA.fronts[chart.task][kind][group].includes(i)})));
  const names = labels(all.map(({row}) => row));
  return all.map((point, i) => ({...point, name: names[i],
    cost: point.row.cost[kind]}));
}

/** Labels next to the points, where they cover nothing; fronts first. */
function placeLabels(points, place, width, height) {
  const boxes = points.map((point) => {
    const [x, y] = place(point);
    return [x - 7, y - 7, x + 7, y + 7];
  });
  const free = ([a, b, c, d]) => a >= 0 && c <= width && b >= 0 && d <= height
    && boxes.every(([p, q, r, s]) => c < p || a > r || d < q || b > s);
  const found = [];
  const ordered = [...points].sort((a, b) => b.front - a.front);
  for (const point of ordered) {
    const [x, y] = place(point);
    const text = cutText(point.name, 240);
    const size = textWidth(text);
    const spots = [[x + 8, y - 12], [x + 10, y], [x - size - 10, y],
      [x + 8, y + 13], [x - size - 8, y - 12], [x - size / 2, y + 17]];
    const spot = spots.find(([left, middle]) => free(
      [left - 1, middle - 7, left + size + 1, middle + 7]));
    if (!spot) continue; // the pointer and the table tell its name
    boxes.push([spot[0], spot[1] - 7, spot[0] + size, spot[1] + 7]);
    found.push({kind: 'label', key: '', x: spot[0], y: spot[1], text,
      color: colorOf(point.row.name)});
  }
  return found;
}

function costScale(costs) {
  const [low, high] = [Math.min(...costs), Math.max(...costs)];
  if (low <= 0 || high / low <= 8) {
    const [first, last] = rangeOf(costs, 0.08);
    return {log: false, domain: [low >= 0 ? Math.max(first, 0) : first, last]};
  }
  return {log: true, domain: [low / 1.4, high * 1.4]};
}

function drawCostPoints(chart, kind, known, width, height) {
  const right = 20;
  const qualities = known.flatMap(({row}) =>
    [row.mean, ...(row.interval || [])]);
  const y = qualityAxis(chart, qualities, height);
  const {log, domain} = costScale(known.map(({cost}) => cost.value));
  const left = 66;
  const [w, h] = [width - left - right, height - 50];
  const along = (v) => {
    const [a, b, c] = [v, ...domain].map((n) => (log ? Math.log(n) : n));
    return (a - b) / (c - b) * w;
  };
  const up = (v) => {
    const [low, high] = y.scale.domain;
    const part = (v - low) / (high - low);
    return (chart.reversed ? part : 1 - part) * h;
  };
  const rows = known.flatMap(({row, name, cost, front, group}, i) => {
    const item = {...meanRow(row, String(i), name), cost: cost.value,
      cost_text: cost.text};
    return [item, ...(front ? [{kind: 'front', key: String(i), group,
      cost: cost.value, mean: row.mean}] : [])];
  });
  const place = ({row, cost}) => [along(cost.value), up(row.mean)];
  const {title} = DATA.cost_kinds.find(({id}) => id === kind);
  return {left, right, bottom: 44, top: 6,
    rows: [...rows, ...placeLabels(known, place, w, h)], channels: {
      x: {title, scale: {domain}, axis: {tickCount: tickCount(w),
        ...axisFormat(domain)}},
      y: {...y, title: chart.axis}}};
}

function costTable(points, title) {
  return {heads: ['Method', 'Backbone', title, 'Mean', '95% interval',
    'Pareto front'],
  lines: points.map(({row, name, group, cost, front}) => [name, group,
    cost ? cost.text : 'not recorded', row.text.mean, row.text.interval,
    front ? 'on it' : row.values.length < 2 ? 'one seed' : ''])};
}

/** The front in a sentence for each backbone. */
function frontTexts(chart, points) {
  const texts = chart.groups.map(({title}) => {
    const own = points.filter((p) => p.group === title && p.front).sort(
      (a, b) => a.cost.value - b.cost.value);
    if (!own.length) return '';
    return `${title}: on the front ${own.map(({name, row, cost}) =>
      `${name} (${cost.text}, ${row.text.mean})`).join(', ')}`;
  }).filter(Boolean);
  return texts.length ? texts
    : ['No Pareto front: it needs two methods with two seeds or more'];
}

function drawCost() {
  const chart = DATA.charts.find(({task}) => task === $('cost-task').value);
  const kinds = costKinds(chart);
  const wanted = STATE.get('cost', kinds[0].id);
  const kind = (kinds.find(({id}) => id === wanted) || kinds[0]).id;
  fill($('cost-kind'), kinds.map(({id, title}) => [id, title]), kind);
  const {title} = kinds.find(({id}) => id === kind);
  const points = costPoints(chart, kind);
  const known = points.filter(({cost}) => cost);
  const task = TASKS.get(chart.task);
  const log = costScale(known.map(({cost}) => cost.value)).log;
  const height = CHARTS.cost.height + 50;
  const figure = $('cost-chart');
  figure.replaceChildren(el('figcaption', {}, el('h3', {}, task.title),
    el('small', {}, `${chart.axis}, against: ${title}`)));
  const texts = frontTexts(chart, points);
  const lacking = points.filter(({cost}) => !cost).map(({name}) => name);
  const drawn = addChart(figure, {spec: log ? 'costLog' : 'cost',
    title: `${task.title}: cost and quality`, axis: title,
    file: `cost_${chart.task}_${kind}`, height,
    label: `${task.title}, ${chart.axis}, against ${title}. `
      + texts.join('. '),
    table: () => costTable(points, title),
    draw: (width) => drawCostPoints(chart, kind, known, width, height)});
  figure.append(...[...texts, ...(lacking.length
    ? [`Not recorded: ${lacking.join(', ')}`] : [])].map(
    (text) => el('p', {class: 'note'}, `${text}.`)));
  return [drawn];
}

function startCost() {
  const tasks = COST_CHARTS.map(({task}) => [task, TASKS.get(task).title]);
  const choose = () => {
    const wanted = STATE.get('cost-task', tasks[0][0]);
    const known = tasks.some(([id]) => id === wanted);
    fill($('cost-task'), tasks, known ? wanted : tasks[0][0]);
    return drawCost();
  };
  $('cost-task').addEventListener('change', () => STATE.set('cost-task',
    $('cost-task').value, tasks[0][0]));
  $('cost-kind').addEventListener('change', () => STATE.set('cost',
    $('cost-kind').value));
  STATE.on('cost-task', choose);
  STATE.on('cost', choose);
  return choose();
}

section('cost', {shown: () => COST_CHARTS.length > 0, start: startCost});
