/* Data of the page and small helpers. Text enters the page as text only.
   Numbers are rounded, compared and marked in Python: a row's `text`. */
const DATA = JSON.parse(document.getElementById('data').textContent);
const CHARTS = JSON.parse(document.getElementById('charts').textContent);
const TASKS = new Map(DATA.tasks.map((task) => [task.id, task]));

/** Positions in DATA.rows. */
const ROW_NUMBERS = new Map(DATA.rows.map((row, i) => [row, i]));

const $ = (id) => document.getElementById(id);

/** Sections in the order of the page; each script in sections/ adds its own.
    id: of its element. shown(): whether there is content (default: always).
    count(): a number for the navigation. start(): draw it; may return
    promises, for which the page waits before it is ready. */
const SECTIONS = [];
function section(id, parts) { SECTIONS.push({id, ...parts}); }

/** Make an element; strings become text nodes, null is left out. */
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) {
      node.setAttribute(name, value === true ? '' : value);
    }
  }
  node.append(...children.flat(Infinity).filter((c) => c !== null && c !== ''));
  return node;
}

function metricOf(row) {
  return TASKS.get(row.task).metrics.find((m) => m.id === row.metric);
}

/** Title of a metric, and which way is better where it is not up. */
function directed(metric) {
  return metric.title + (metric.higher ? '' : ', lower is better');
}

const isMeasured = (row) => row.mean !== null;
const methodKey = (row) => row.id;

/** The tests' answer on a row against another one of its table: difference,
    answer (better, worse, undecided), text, test, gap (a text); null where
    the two are not compared. */
const comparison = (() => {
  const pairs = new Map(DATA.pairs.map((pair) =>
    [`${pair[0]},${pair[1]}`, pair]));
  const turned = {better: 'worse', worse: 'better', undecided: 'undecided'};
  return (row, other) => {
    const [i, j] = [ROW_NUMBERS.get(row), ROW_NUMBERS.get(other)];
    const found = pairs.get(`${i},${j}`);
    if (found) {
      const [, , difference, answer, text, , test, gap, , interval] = found;
      return {difference, answer, text, test, gap, interval};
    }
    const back = pairs.get(`${j},${i}`);
    if (!back) return null;
    const [, , difference, answer, , text, test, , gap, ends] = back;
    return {difference: -difference, answer: turned[answer], text, test, gap,
      interval: ends && [-ends[1], -ends[0]]};
  };
})();

function pretraining(row) {
  const epochs = row.pretrain_epochs;
  const unknown = isMeasured(row) ? '' : 'data not stated';
  const data = row.pretrain_data === 'none' ? '' : row.pretrain_data || unknown;
  return [row.backbone, data,
    epochs === null ? '' : epochs + ' epochs'].filter(Boolean).join(' · ');
}

/** Different names for the rows: with epochs, backbone, number if needed. */
function labels(rows) {
  const byName = new Map();
  for (const row of rows) {
    if (!byName.has(row.name)) byName.set(row.name, []);
    byName.get(row.name).push(row);
  }
  const several = new Map([...byName].map(([name, same]) => [name, new Set(
    ['backbone', 'pretrain_data', 'pretrain_epochs'].filter((field) =>
      same.some((other) => other[field] !== same[0][field])))]));
  const names = rows.map((row) => {
    const differ = (field) => several.get(row.name).has(field);
    let name = row.label;
    if (differ('backbone')) name += ', ' + row.backbone;
    if (differ('pretrain_data')) name += ', ' + row.pretrain_data;
    if (differ('pretrain_epochs')) name += ', ' + row.pretrain_epochs + 'e';
    return name;
  });
  const count = new Map();
  names.forEach((name) => count.set(name, (count.get(name) || 0) + 1));
  const met = new Map();
  return names.map((name) => {
    if (count.get(name) === 1) return name;
    met.set(name, (met.get(name) || 0) + 1);
    return `${name} #${met.get(name)}`;
  });
}

/** One colour per method everywhere; controls are grey. */
const COLORS = new Map();
const CONTROLS = new Set(DATA.rows.filter((r) => r.control).map(
  (r) => r.name));
const USED = {control: 0, other: 0};
function colorOf(name) {
  if (!COLORS.has(name)) {
    COLORS.set(name, CONTROLS.has(name)
      ? `var(--series-control-${USED.control++ % 2})`
      : `var(--series-${USED.other++ % 10})`);
  }
  return COLORS.get(name);
}
/** Ranked methods of all backbones. */
const RANKED = DATA.ranks.flatMap((table) => table.methods);
/** The name of a ranked method without what its pretraining changed. */
function plainName(rank) {
  return (DATA.rows.find((row) => row.id === rank.id) || rank).name;
}
RANKED.forEach((rank) => colorOf(plainName(rank)));

function fill(select, options, chosen) {
  const cut = (text) => (text.length > 80 ? `${text.slice(0, 79)}…` : text);
  select.replaceChildren(...options.map(([value, text]) =>
    el('option', {value, selected: value === chosen}, cut(text))));
}
