/* The overview matrix and the table of all numbers. */
function compare(a, b, descending) {
  const none = (v) => v === null || v === undefined || v === '';
  if (none(a) || none(b)) return none(a) - none(b); // empty last, always
  const order = typeof a === 'number' && typeof b === 'number'
    ? a - b : String(a).localeCompare(String(b), 'en', {numeric: true});
  return descending ? -order : order;
}

/** Heading with a button; a second press turns the order. */
function sortable(column, state, redraw) {
  const sorted = state.key === column.key;
  return el('th', {scope: 'col', class: column.text ? 'text' : null,
    'aria-sort': sorted
      ? (state.descending ? 'descending' : 'ascending') : null},
  el('button', {type: 'button', 'data-key': column.key, onclick: () => {
    state.descending = sorted ? !state.descending : !!column.descending;
    state.key = column.key;
    redraw();
    document.querySelector(
      `#${state.table} [data-key="${CSS.escape(column.key)}"]`).focus();
  }}, el('span', {class: 'title'}, column.title), column.sub
    ? el('span', {class: 'sub'}, column.sub) : null));
}

function verdictText(row) {
  return el('span', {class: row.text.style, title: row.verdict},
    `${row.text.delta} ${row.text.mark}`);
}

/** An interval stays on one line. */
const unbroken = (text) => text.replace(/, (?=[^[]*\])/g, ',\u00a0');

function hint(row) {
  const parts = [`${row.label}, ${TASKS.get(row.task).title}`,
    row.values.map((v) => `seed ${v.seed}: ${v.text}`).join(', '),
    row.departures.join('; ')];
  if (isMeasured(row)) parts.push(`95%: ${row.text.interval}`);
  parts.push(row.text.standing);
  const run = row.runs.length ? DATA.runs[row.runs[0]] : null;
  if (run && run.pretrain.checkpoint_sha256) {
    parts.push(`checkpoint ${run.pretrain.checkpoint_sha256.slice(0, 12)}`);
  }
  if (run && run.pretrain.config) parts.push(run.pretrain.config);
  return parts.filter(Boolean).join('\n');
}

function matrixCell(row) {
  const item = row.published[0];
  return el('button', {type: 'button', title: hint(row),
    class: 'cell' + (row.best ? ' best' : ''),
    onclick: () => openPanel(row)},
  el('b', {}, row.text.mean),
  row.std === null ? null : el('i', {}, ` ± ${row.text.std}`),
  row.text.departed ? ` ${row.text.departed}` : null,
  row.recipe ? el('small', {}, `recipe ${row.recipe}`) : null,
  row.trained_text ? el('small', {}, row.trained_text) : null,
  el('small', {}, unbroken(row.text.interval)),
  item ? el('small', {}, `publ. ${item.text} `, verdictText(row)) : null,
  row.text.difference
    ? el('small', {}, `Δ ${unbroken(row.text.difference)}`) : null);
}

/** Methods of a backbone, and what was trained of it, by task. */
function matrixRows(network) {
  const methods = new Map();
  for (const row of DATA.rows.filter(isMeasured)) {
    if (row.network !== network
      || TASKS.get(row.task).main !== row.metric) continue;
    const key = methodKey(row);
    if (!methods.has(key)) {
      methods.set(key, {first: row, byTask: new Map(), rank: RANKED.find(
        (rank) => rank.id === key)});
    }
    const byTask = methods.get(key).byTask;
    byTask.set(row.task, [...(byTask.get(row.task) || []), row]);
  }
  return [...methods.values()];
}

function matrixColumns(tasks, ranked) {
  return [{key: 'name', title: 'Method', text: true},
    ...(ranked ? [{key: 'rank', title: 'Average', sub: 'rank'}] : []),
    ...tasks.map((task) => {
      const metric = task.metrics.find((m) => m.id === task.main);
      return {key: task.id, title: task.title, sub: metric.title
        + (metric.higher ? '' : ' (lower is better)'),
      descending: metric.higher};
    })];
}

function matrixValue(item, key) {
  if (key === 'name') return item.first.short_name;
  if (key === 'rank') return item.rank ? item.rank.average : null;
  return (item.byTask.get(key) || [{mean: null}])[0].mean;
}

/** The average rank; empty for a method that is not ranked. */
function rankCell(rank) {
  return el('td', {}, rank ? el('div', {class: 'cell plain'},
    el('b', {}, rank.text), el('small', {}, rank.interval_text),
    el('small', {}, `group ${rank.letters}`)) : null);
}

/** What the pretraining changed: another method of the same name. */
function changes(row) {
  return row.departures.filter((text) => text.startsWith('pretraining: '));
}

function matrixLine(item, tasks, ranked) {
  return el('tr', {}, el('th', {scope: 'row'}, item.first.short_name,
    el('small', {}, pretraining(item.first)),
    ...changes(item.first).map((text) => el('small', {}, text))),
  ranked ? rankCell(item.rank) : null,
  tasks.map((task) => el('td', {},
    (item.byTask.get(task.id) || []).map(matrixCell))));
}

/** Whether a method has a place on a task. */
function placed(item, task) {
  return (item.byTask.get(task.id) || []).some((row) => row.place !== null);
}

function drawMatrix(network, number) {
  const list = matrixRows(network);
  const tasks = DATA.tasks.filter((task) => list.some(
    (item) => item.byTask.has(task.id)));
  const ranked = list.some((item) => item.rank);
  const columns = matrixColumns(tasks, ranked);
  const table = el('table', {id: `matrix-${number}`});
  const state = {table: table.id, key: ranked ? 'rank' : 'name',
    descending: false};
  if (!ranked && list.some((item) => placed(item, tasks[0]))) {
    state.key = tasks[0].id; // else no order is shown: by name
    state.descending = columns[1].descending;
  }
  const draw = () => {
    list.sort((a, b) => compare(matrixValue(a, state.key),
      matrixValue(b, state.key), state.descending)
      || compare(a.first.short_name, b.first.short_name));
    table.replaceChildren(
      el('thead', {}, el('tr', {}, columns.map(
        (column) => sortable(column, state, draw)))),
      el('tbody', {}, list.map((item) => matrixLine(item, tasks, ranked))));
  };
  $('matrix').append(el('div', {class: 'scroll card matrix', tabindex: '0',
    role: 'region', 'aria-label': `Overview, ${network}`}, table));
  draw();
}

function drawMatrices() {
  const networks = [...new Set(DATA.rows.filter(isMeasured).map(
    (row) => row.network))];
  networks.sort((a, b) => matrixRows(b).length - matrixRows(a).length
    || a.localeCompare(b));
  networks.forEach(drawMatrix);
}

const COLUMNS = [
  {key: 'method', title: 'Method', text: true, get: (r) => r.label},
  {key: 'task', title: 'Task', text: true,
    get: (r) => TASKS.get(r.task).title},
  {key: 'metric', title: 'Metric', text: true,
    get: (r) => metricOf(r).title},
  {key: 'measured', title: 'Measured', descending: true, get: (r) => r.mean,
    show: (r) => (isMeasured(r) ? [el('b', {}, r.text.mean),
      r.std === null ? '' : ` ± ${r.text.std}`,
      el('small', {title: '95% interval'}, r.text.interval)] : [])},
  {key: 'n', title: 'n', get: (r) => r.values.length || null},
  {key: 'published', title: 'Published', descending: true,
    get: (r) => (r.published[0] || {value: null}).value,
    show: (r) => (r.published[0] ? [r.published[0].text,
      el('small', {}, r.published[0].reported_in)] : [])},
  {key: 'delta', title: 'Difference', get: (r) => r.delta,
    show: (r) => (r.verdict ? [verdictText(r),
      el('small', {}, r.verdict)] : [])},
  ...(DATA.baseline ? [{key: 'baseline', title: `Δ ${DATA.baseline}`,
    get: (r) => (r.baseline_difference || {mean: null}).mean,
    show: (r) => (r.text.difference
      ? [el('small', {}, unbroken(r.text.difference))] : [])}] : []),
  {key: 'place', title: 'Place', get: (r) => r.place},
];

const FILTER = {table: 'rows', key: null, descending: false,
  limit: matchMedia('(max-width: 640px)').matches ? 20 : 100};

function chosenRows() {
  const words = $('f-text').value.toLowerCase().split(/\s+/).filter(Boolean);
  const [task, metric, method, kind] = ['task', 'metric', 'method', 'kind']
    .map((name) => $(`f-${name}`).value);
  return DATA.rows.filter((row) => {
    const item = row.published[0];
    const text = [row.name, row.task, TASKS.get(row.task).title, row.metric,
      row.backbone, row.recipe || '',
      row.trained_text, item ? item.reported_in : ''].join(' ').toLowerCase();
    return (!task || row.task === task) && (!metric || row.metric === metric)
      && (!method || row.name === method)
      && words.every((word) => text.includes(word))
      && (!kind || (kind === 'measured' && isMeasured(row))
        || (kind === 'both' && isMeasured(row) && item)
        || (kind === 'published' && !isMeasured(row)));
  });
}

function numberRow(row) {
  return el('tr', {onclick: (event) => {
    if (!event.target.closest('button, a')) openPanel(row);
  }}, COLUMNS.map((column, i) => {
    if (i === 0) {
      return el('th', {scope: 'row'}, el('span', {}, el('button', {
        type: 'button', class: 'open', title: hint(row),
        onclick: () => openPanel(row)}, row.label),
      el('small', {}, pretraining(row))));
    }
    const shown = column.show ? column.show(row) : column.get(row);
    const list = [shown === null ? '' : shown].flat().map(
      (c) => (c instanceof Node || c === null ? c : String(c)));
    const empty = list.every((c) => c === '' || c === null);
    return el('td', {'data-head': column.title,
      class: (column.text ? 'text' : '') + (empty ? ' none' : '')},
    el('span', {}, list));
  }));
}

function drawRows() {
  const rows = chosenRows();
  const column = COLUMNS.find((c) => c.key === FILTER.key);
  if (column) {
    rows.sort((a, b) => compare(column.get(a), column.get(b),
      FILTER.descending));
  }
  const shown = rows.slice(0, FILTER.limit);
  $('rows').replaceChildren(
    el('thead', {}, el('tr', {}, COLUMNS.map(
      (c) => sortable(c, FILTER, drawRows)))),
    el('tbody', {}, shown.map(numberRow)));
  $('count').textContent = `${rows.length} of ${DATA.rows.length} numbers`
    + (shown.length < rows.length ? `, the first ${shown.length} shown` : '');
  $('more').hidden = shown.length === rows.length;
  $('more').textContent = `Show all ${rows.length}`;
}

function startFilters() {
  const unique = (list) => [...new Set(list)];
  fill($('f-task'), [['', 'all'], ...DATA.tasks.map(
    (task) => [task.id, task.title])], '');
  fill($('f-metric'), [['', 'all'], ...unique(DATA.tasks.flatMap(
    (task) => task.metrics.map((m) => m.id))).map((id) => [id, id])], '');
  fill($('f-method'), [['', 'all'], ...unique(DATA.rows.map((r) => r.name))
    .sort((a, b) => a.localeCompare(b)).map((n) => [n, n])], '');
  const form = $('filters');
  form.addEventListener('input', drawRows);
  form.addEventListener('change', drawRows);
  form.addEventListener('reset', () => setTimeout(drawRows));
  form.addEventListener('submit', (event) => event.preventDefault());
  $('more').addEventListener('click', () => {
    FILTER.limit = Infinity;
    drawRows();
  });
  $('csv').addEventListener('click', () => {
    const url = URL.createObjectURL(
      new Blob([DATA.csv], {type: 'text/csv'}));
    el('a', {href: url, download: 'leaderboard.csv'}).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  });
  drawRows();
}
