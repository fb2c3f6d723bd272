/* Data of the page and small helpers. Text enters the page as text only.
   Numbers are rounded, compared and marked in Python: a row's `text`. */
const DATA = JSON.parse(document.getElementById('data').textContent);
const CHARTS = JSON.parse(document.getElementById('charts').textContent);
const TASKS = new Map(DATA.tasks.map((task) => [task.id, task]));

const $ = (id) => document.getElementById(id);

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
  const names = rows.map((row) => {
    const others = byName.get(row.name);
    const differ = (field) => others.some((o) => o[field] !== row[field]);
    let name = row.label;
    if (differ('backbone')) name += ', ' + row.backbone;
    if (differ('pretrain_data')) name += ', ' + row.pretrain_data;
    if (differ('pretrain_epochs')) name += ', ' + row.pretrain_epochs + 'e';
    return name;
  });
  return names.map((name, i) => {
    const same = names.flatMap((other, j) => (other === name ? [j] : []));
    return same.length > 1 ? `${name} #${same.indexOf(i) + 1}` : name;
  });
}

/** One colour per method everywhere; controls are grey. */
const COLORS = new Map();
function colorOf(name) {
  if (!COLORS.has(name)) {
    const control = DATA.rows.some((r) => r.name === name && r.control);
    const kind = control ? 'control-' : '';
    const used = [...COLORS.values()].filter(
      (color) => color.includes('control') === control).length;
    COLORS.set(name, `var(--series-${kind}${used % (control ? 2 : 10)})`);
  }
  return COLORS.get(name);
}
/** Ranked methods of all backbones. */
const RANKED = DATA.ranks.flatMap((table) => table.methods);
RANKED.forEach((rank) => colorOf(rank.name));

function fill(select, options, chosen) {
  const cut = (text) => (text.length > 80 ? `${text.slice(0, 79)}…` : text);
  select.replaceChildren(...options.map(([value, text]) =>
    el('option', {value, selected: value === chosen}, cut(text))));
}
