/* Two methods next to each other: differences, seeds, pictures. */

/** Methods with a measured main metric, in the order of the page. */
const COMPARED = (() => {
  const found = new Map();
  for (const row of DATA.charts.flatMap(({groups}) => groups.flatMap(
    ({rows}) => rows.map((i) => DATA.rows[i])))) {
    if (!found.has(row.id)) found.set(row.id, {id: row.id, rows: []});
    found.get(row.id).rows.push(row);
  }
  const list = [...found.values()];
  const names = labels(list.map(({rows: [row]}) => ({...row,
    label: row.short_name, name: row.short_name})));
  return list.map((method, i) => ({...method, name: names[i],
    network: method.rows[0].network}));
})();

/** What is known of two methods: answers, and tasks without one. */
function compareMethods(a, b) {
  const found = {answers: [], missing: []};
  for (const chart of DATA.charts) {
    const of = (method) => method.rows.filter(
      (row) => row.task === chart.task);
    const [own, other] = [of(a), of(b)];
    if (!own.length && !other.length) continue;
    const pairs = own.flatMap((row) => other.map((against) => ({chart, row,
      against, answer: comparison(row, against)}))).filter(
      ({answer}) => answer);
    found.answers.push(...pairs.map((pair) => ({...pair, title: taskName(
      pair, pairs.length > 1)})));
    if (!pairs.length) {
      found.missing.push([chart.task, whyNot(a, b, own, other)]);
    }
  }
  return found;
}

function whyNot(a, b, own, other) {
  if (!own.length) return `not measured: ${a.name}`;
  if (!other.length) return `not measured: ${b.name}`;
  const [row, against] = [own[0], other[0]];
  if (a.network !== b.network) {
    return `other backbone: ${a.network} and ${b.network}`;
  }
  if (row.recipe !== against.recipe) return 'other recipe of the task';
  if (row.departures.join() !== against.departures.join()) {
    return `other settings: ${[...row.departures, ...against.departures]
      .join('; ')}`;
  }
  return DATA.all_pairs ? 'other settings or data of the task'
    : 'the page does not hold every comparison of so many methods';
}

/** The two that are compared first: the best ranks, else the first pair. */
function firstPair() {
  for (const {methods} of DATA.ranks) {
    const [a, b] = methods.map(({id}) => COMPARED.find((m) => m.id === id));
    if (a && b && compareMethods(a, b).answers.length) return [a, b];
  }
  for (const {groups} of DATA.charts) {
    for (const {rows: [i, j]} of groups) {
      if (j === undefined) continue;
      const [own, other] = [DATA.rows[i], DATA.rows[j]];
      if (comparison(own, other)) {
        return [own, other].map((row) => COMPARED.find(
          ({id}) => id === row.id));
      }
    }
  }
  return null;
}

const FIRST_PAIR = firstPair();

/** Better, worse, undecided: on how many tasks, as the tests say. */
function countAnswers(a, b, {answers}) {
  const count = (kind) => answers.filter(
    ({answer}) => answer.answer === kind).length;
  if (a === b) return 'Choose two different methods.';
  if (!answers.length) return `${a.name} and ${b.name} are not compared.`;
  const all = answers.length === 1 ? '1 comparison'
    : `${answers.length} comparisons`;
  return `${a.name} against ${b.name}, ${all}: better in ${
    count('better')}, worse in ${count('worse')}, undecided in ${
    count('undecided')}.`;
}

/** A task; of several comparisons, with what tells them apart. */
function taskName({chart, row}, several) {
  const place = DATA.rows.indexOf(row);
  const group = chart.groups.find(({rows}) => rows.includes(place));
  const name = TASKS.get(chart.task).title;
  return several ? `${name}, ${group.title}` : name;
}

/** Metric and unit, without the direction: `RMSE in metres`. */
const plainAxis = (chart) => chart.axis.replace(/, [^,]*$/, '');

/** Differences that have one unit and one direction share an axis. */
function byUnit(answers) {
  const found = new Map();
  for (const item of answers) {
    const {axis, reversed} = item.chart;
    const unit = / in percent,/.test(axis) ? 'percent points'
      : plainAxis(item.chart);
    const key = `${reversed} ${unit}`;
    if (!found.has(key)) found.set(key, {unit, reversed, items: []});
    found.get(key).items.push(item);
  }
  return [...found.values()];
}

/** The numbers keep their sign; the axis is turned where lower is better. */
function drawDifferences({items, unit, reversed}, width) {
  const names = items.map(({title}) => title);
  const {keys, names: shown, left} = linesOf(names, width);
  const rows = items.map(({row, answer}, i) => {
    const [lo, hi] = answer.interval || [null, null];
    return {key: keys[i], task: names[i], color: colorOf(row.name),
      kind: answer.answer === 'undecided' ? 'undecided' : 'decided',
      difference: answer.difference, lo, hi, text: answer.text};
  });
  const domain = rangeOf([0, ...rows.flatMap(
    ({difference, lo, hi}) => [difference, lo, hi])]);
  return {rows: [...shown, ...rows], left, channels: {
    y: {scale: {domain: keys}},
    x: {title: `A minus B in ${unit}, right: A is better →`,
      scale: {domain, nice: false, reverse: reversed},
      axis: {tickCount: tickCount(width - left), ...axisFormat(domain)}}}};
}

function comparedTable(answers, a, b) {
  return {heads: ['Task', 'Metric', `A: ${a.name}`, `B: ${b.name}`,
    'A against B', 'Test'],
  lines: answers.map((item) => [item.title, plainAxis(item.chart),
    item.row.text.mean, item.against.text.mean, item.answer.text,
    item.answer.test])};
}

function differenceFigures(a, b, answers) {
  return byUnit(answers).map((group) => {
    const {unit, reversed, items} = group;
    const figure = el('figure', {class: 'card chart'}, el('figcaption', {},
      el('h3', {}, `A minus B, ${unit}`
        + (reversed ? ', lower is better' : ''))));
    $('compare-body').append(figure);
    const title = `${a.name} minus ${b.name}`;
    return addChart(figure, {spec: 'differences', title, axis: unit,
      file: `compare_${a.name}_${b.name}`, height: 30 * items.length + 52,
      label: `${title}, ${unit}. ${items.map((item) =>
        `${item.title}: ${item.answer.text}`).join('. ')}`,
      table: () => comparedTable(items, a, b),
      draw: (width) => drawDifferences(group, width)});
  });
}

/** Values of the seeds that both have, in the order of the seeds. */
function commonSeeds(row, against) {
  const once = (values, seed) => values.filter((v) => v.seed === seed);
  return row.values.flatMap(({seed, value}) => {
    const [own, other] = [once(row.values, seed), once(against.values, seed)];
    return own.length === 1 && other.length === 1
      ? [[value, other[0].value]] : [];
  });
}

function drawSeeds({chart, row, against}, names, width) {
  const {keys, names: shown, left} = linesOf(names, width);
  const pairs = commonSeeds(row, against).map(([value, other]) => ({
    kind: 'pair', key: keys[0], last: keys[1], value, other}));
  const rows = [row, against].flatMap((one, i) => [
    {kind: 'average', key: keys[i], value: one.mean, text: one.text.mean,
      color: colorOf(one.name)},
    ...one.values.map(({seed, value, text}) => ({kind: 'seed', key: keys[i],
      name: names[i], seed: String(seed), value, text,
      color: colorOf(one.name)}))]);
  const axis = qualityAxis(chart, rows.map(({value}) => value), width - left);
  return {rows: [...shown, ...pairs, ...rows], left, channels: {x: axis,
    y: {scale: {domain: keys}}}};
}

function seedFigures(a, b, answers) {
  const cards = el('div', {class: 'cards'});
  $('compare-body').append(cards);
  return answers.map((item) => {
    const {chart, row, against, answer} = item;
    const title = item.title;
    const names = [`A: ${a.name}`, `B: ${b.name}`];
    const figure = el('figure', {class: 'card'}, el('figcaption', {},
      el('h3', {}, title)),
    el('p', {class: 'seeds-answer'}, `A against B: ${answer.text}`));
    cards.append(figure);
    return addChart(figure, {spec: 'seeds', title, axis: chart.axis,
      file: `seeds_${chart.task}`, height: 34 * 2 + 52,
      label: `${title}, each seed, ${chart.axis}. A against B: ${answer.text}`,
      table: () => ({heads: ['Method', 'Seed', 'Value'],
        lines: [row, against].flatMap((one, i) => one.values.map(
          ({seed, text}) => [names[i], String(seed), text]))}),
      draw: (width) => drawSeeds(item, names, width)});
  });
}

/** What both predict on the same images; the truth first, if it is there. */
function comparedPictures(a, b, task) {
  const tiles = (column, id) => new Map(DATA.pictures.filter((picture) =>
    picture.task === task && picture.image && picture.column === column
    && (!id || picture.method === id)).map((p) => [p.image, p]));
  const [truth, own, other] = [tiles('truth'), tiles('predicted', a.id),
    tiles('predicted', b.id)];
  return [...own].filter(([image]) => other.has(image)).map(([image, tile]) =>
    [['truth', truth.get(image)], [`A: ${a.name}`, tile],
      [`B: ${b.name}`, other.get(image)]]);
}

function pictureFigure([name, picture], place, row) {
  if (!picture) return null;
  const together = row.map(([, other]) => other).filter(Boolean);
  return el('figure', {}, el('button', {type: 'button',
    'aria-label': `Enlarge: ${name}, ${picture.caption}`,
    onclick: () => openPicture(picture, together)}, el('img', {loading: 'lazy',
    src: picture.source, alt: picture.alt || picture.caption,
    width: picture.size[0], height: picture.size[1]})),
  el('figcaption', {}, name));
}

function drawComparedPictures(a, b) {
  const own = DATA.charts.map(({task}) => [task, comparedPictures(a, b, task)])
    .filter(([, images]) => images.length);
  if (!own.length) return;
  $('compare-body').append(el('div', {class: 'card chart'},
    el('h3', {}, 'Predictions on the same images'),
    own.map(([task, images]) => [el('p', {class: 'note'},
      TASKS.get(task).title), images.map((image) => el('div', {
      class: 'side-by-side'}, image.map(pictureFigure)))])));
}

function drawCompare() {
  const [a, b] = ['a', 'b'].map((name, i) => COMPARED.find(
    ({id}) => id === STATE.get(name, FIRST_PAIR[i].id)) || FIRST_PAIR[i]);
  for (const [name, method] of [['a', a], ['b', b]]) {
    fill($(`compare-${name}`), COMPARED.map(({id, name: text, network}) =>
      [id, text.includes(network) ? text : `${text} · ${network}`]),
    method.id);
  }
  const found = a === b ? {answers: [], missing: []} : compareMethods(a, b);
  $('compare-answer').textContent = countAnswers(a, b, found);
  $('compare-body').replaceChildren();
  dropPlots();
  const drawn = differenceFigures(a, b, found.answers);
  if (found.answers.length) drawn.push(...seedFigures(a, b, found.answers));
  drawComparedPictures(a, b);
  if (found.missing.length) {
    $('compare-body').append(el('div', {}, el('p', {class: 'note'},
      'Not compared:'), el('ul', {class: 'not-compared'}, found.missing.map(
      ([task, why]) => el('li', {}, `${TASKS.get(task).title}: ${why}`)))));
  }
  return drawn;
}

function startCompare() {
  const choose = (name, value, i) => STATE.set(name, value,
    FIRST_PAIR[i].id);
  ['a', 'b'].forEach((name, i) => {
    $(`compare-${name}`).addEventListener('change', () => choose(name,
      $(`compare-${name}`).value, i));
    STATE.on(name, drawCompare);
  });
  $('compare-swap').addEventListener('click', () => {
    const [a, b] = [$('compare-b').value, $('compare-a').value];
    choose('a', a, 0);
    choose('b', b, 1);
  });
  return drawCompare();
}

section('compare', {shown: () => FIRST_PAIR !== null, start: startCompare});
