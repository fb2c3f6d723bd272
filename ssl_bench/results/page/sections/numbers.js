/* The table of all numbers, its filters and its files. */
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

section('numbers', {start: startFilters});
