/* The table of all numbers, its filters and its files.
   A column: key and title; text(row) for people and files; value(row), what
   it is sorted by (default: the text); cell(row): nodes, where the table
   shows more than the text. Columns with `always` cannot be hidden; those
   with `asked` are hidden until a reader asks for them. */
const printedOf = (row) => row.published[0] || null;
const COLUMNS = [
  {key: 'method', title: 'Method', always: true, text: (r) => r.label},
  {key: 'pretraining', title: 'Pretraining', asked: true, text: pretraining},
  {key: 'task', title: 'Task', style: 'wide', text: (r) => TASKS.get(r.task).title},
  {key: 'metric', title: 'Metric', text: (r) => metricOf(r).title},
  {key: 'measured', title: 'Measured', number: true, descending: true,
    value: (r) => r.mean, bold: (r) => r.best,
    text: (r) => r.text.mean + (r.std === null ? '' : ` ± ${r.text.std}`),
    cell: (r) => (isMeasured(r) ? [el('b', {}, r.text.mean),
      r.std === null ? '' : ` ± ${r.text.std}`] : [])},
  {key: 'interval', title: '95% interval', number: true,
    value: (r) => (r.interval ? r.interval[0] : null),
    text: (r) => r.text.bounds, style: 'wrapped',
    cell: (r) => [unbroken(r.text.bounds)]},
  {key: 'n', title: 'n', number: true, value: (r) => r.values.length || null,
    text: (r) => String(r.values.length || '')},
  {key: 'published', title: 'Published', number: true, descending: true,
    value: (r) => (printedOf(r) ? printedOf(r).value : null),
    text: (r) => (printedOf(r) ? printedOf(r).text : ''),
    cell: (r) => (printedOf(r) ? [printedOf(r).text,
      el('small', {}, printedOf(r).reported_in)] : [])},
  {key: 'delta', title: 'Difference', number: true, value: (r) => r.delta,
    text: (r) => r.text.delta},
  {key: 'verdict', title: 'Verdict', style: 'wide', text: (r) => r.verdict || '',
    cell: (r) => (r.verdict ? [el('span', {class: r.text.style},
      `${r.text.mark} ${r.verdict}`)] : [])},
  ...(DATA.baseline ? [{key: 'baseline', title: `Δ ${DATA.baseline}`,
    number: true, style: 'wrapped',
    value: (r) => (r.baseline_difference || {mean: null}).mean,
    text: (r) => r.text.difference,
    cell: (r) => [unbroken(r.text.difference)]}] : []),
  {key: 'place', title: 'Place', number: true, value: (r) => r.place,
    text: (r) => (r.place === null ? '' : String(r.place))},
  {key: 'protocol', title: 'Protocol', asked: true,
    style: 'protocol', text: (r) => r.protocol || ''},
  {key: 'cost', title: 'Cost of a run', asked: true,
    value: (r) => r.train_seconds, text: (r) => r.text.cost},
];
/* Columns that say something on this page. */
const FIELDS = COLUMNS.filter((column) => column.always
  || DATA.rows.some((row) => column.text(row) !== ''));
const USUAL = FIELDS.filter((c) => !c.asked && !c.always).map((c) => c.key).join(',');
const SHOWS = [['', 'everything'], ['measured', 'measured'],
  ['both', 'measured and published'], ['published', 'published only']];
const ALL = 'all'; // `show` of everything in an address
const usualShow = DATA.rows.some(isMeasured) ? 'measured' : ALL;
const FILTERS = ['q', 'task', 'metric', 'method', 'backbone', 'show'];
const usual = (name) => (name === 'show' ? usualShow : '');

function fields() {
  const wanted = new Set(STATE.get('fields', USUAL).split(','));
  return FIELDS.filter((c) => c.always || wanted.has(c.key));
}

/** How the rows are sorted: `-measured`: by that column, downwards. */
function order() {
  const text = STATE.get('sort');
  const key = text.replace(/^-/, '');
  return {table: 'rows', key: FIELDS.some((c) => c.key === key) ? key : null,
    descending: text.startsWith('-')};
}

/** Everything that a search looks through, made once. */
const HAYSTACKS = new Map();
function haystack(row) {
  if (!HAYSTACKS.has(row)) {
    const item = printedOf(row);
    HAYSTACKS.set(row, [row.label, row.task, TASKS.get(row.task).title,
      row.metric, row.backbone, row.pretrain_data, row.recipe || '',
      row.trained_text, ...row.departures, item ? item.reported_in : '',
    ].join(' ').toLowerCase());
  }
  return HAYSTACKS.get(row);
}

function isShown(row, show) {
  if (show === 'measured') return isMeasured(row);
  if (show === 'both') return isMeasured(row) && printedOf(row) !== null;
  return show !== 'published' || !isMeasured(row);
}

/** The rows that the filters leave, in the order of the table. */
function chosenRows() {
  const words = STATE.get('q').toLowerCase().split(/\s+/).filter(Boolean);
  const [task, metric, method, backbone] = FILTERS.slice(1, 5).map(
    (name) => STATE.get(name));
  const show = STATE.get('show', usualShow);
  const rows = DATA.rows.filter((row) => (!task || row.task === task)
    && (!metric || row.metric === metric)
    && (!method || row.name === method)
    && (!backbone || row.backbone === backbone) && isShown(row, show)
    && words.every((word) => haystack(row).includes(word)));
  const {key, descending} = order();
  const column = COLUMNS.find((c) => c.key === key);
  return column ? sortedBy(rows, column.value || column.text, descending)
    : rows;
}

function numberRow(row) {
  return el('tr', {onclick: (event) => {
    if (!event.target.closest('button, a')) openPanel(row);
  }}, fields().map((column) => {
    if (column.key === 'method') {
      return el('th', {scope: 'row'}, el('span', {}, el('button', {
        type: 'button', class: 'open', title: hint(row),
        onclick: () => openPanel(row)}, row.label),
      el('small', {}, pretraining(row))));
    }
    const parts = column.cell ? column.cell(row) : [column.text(row)];
    const empty = column.text(row) === '';
    return el('td', {'data-head': column.title, class: [
      column.number ? '' : 'text', column.style || '', empty ? 'none' : '',
    ].join(' ').trim() || null},
    el('span', {}, parts));
  }));
}

let showRows = null; // of the table, once it is there
let waiting = false;

function drawRows() {
  waiting = false;
  const rows = chosenRows();
  const sort = order();
  $('rows').tHead.replaceChildren(el('tr', {}, fields().map((column) =>
    sortable({...column, text: !column.number}, sort, () => {
      STATE.set('sort', (sort.descending ? '-' : '') + sort.key);
      drawRows();
    }))));
  showRows(rows);
  $('count').textContent = `${rows.length} of ${DATA.rows.length} numbers`;
}

/** Once for all that changed in one event. */
function redraw() {
  if (waiting) return;
  waiting = true;
  queueMicrotask(() => {
    if (!waiting) return;
    showFilters();
    drawRows();
  });
}

/** The controls as the address says. */
function showFilters() {
  for (const name of FILTERS) {
    const value = STATE.get(name, usual(name));
    const shown = value === ALL && name === 'show' ? '' : value;
    if ($(`f-${name}`).value !== shown) $(`f-${name}`).value = shown;
  }
  const wanted = new Set(fields().map((column) => column.key));
  for (const box of $('field-list').querySelectorAll('input')) {
    box.checked = wanted.has(box.value);
  }
}

function fillFilters() {
  const every = (texts) => [...new Set(texts)];
  const byName = (list) => list.sort(COLLATOR.compare);
  const pairs = (list) => [['', 'all'], ...list.map((t) => [t, t])];
  fill($('f-task'), [['', 'all'], ...DATA.tasks.map(
    (task) => [task.id, task.title])], '');
  fill($('f-metric'), pairs(every(DATA.tasks.flatMap(
    (task) => task.metrics.map((m) => m.id)))), '');
  fill($('f-method'), pairs(byName(every(DATA.rows.map((r) => r.name)))), '');
  fill($('f-backbone'), pairs(byName(every(DATA.rows.map(
    (r) => r.backbone)))), '');
  fill($('f-show'), SHOWS, '');
  $('field-list').append(...FIELDS.filter((c) => !c.always).map((column) =>
    el('label', {}, el('input', {type: 'checkbox', value: column.key}),
      column.title)));
}

function startFilters() {
  fillFilters();
  showRows = rowWindow($('rows-box'), $('rows-space'), numberRow);
  const form = $('filters');
  for (const name of FILTERS) {
    const keep = (event) => STATE.set(name,
      event.target.value || (name === 'show' ? ALL : ''), usual(name));
    $(`f-${name}`).addEventListener('input', keep);
    $(`f-${name}`).addEventListener('change', keep);
  }
  form.addEventListener('reset', (event) => {
    event.preventDefault();
    FILTERS.forEach((name) => STATE.set(name, usual(name), usual(name)));
  });
  form.addEventListener('submit', (event) => event.preventDefault());
  $('field-list').addEventListener('input', () => STATE.set('fields',
    [...$('field-list').querySelectorAll('input')].filter(
      (box) => box.checked).map((box) => box.value).join(',') || '-',
    USUAL));
  [...FILTERS, 'fields', 'sort'].forEach((name) => STATE.on(name, redraw));
  startSaving();
  showFilters();
  drawRows();
}

/** What is shown, as a file. */
function startSaving() {
  const table = () => {
    const columns = fields().flatMap((column) => (column.key === 'method'
      ? [column, COLUMNS.find((c) => c.key === 'pretraining')] : [column]));
    return [[...new Set(columns)].map((c) => ({text: c.title,
      number: c.number})), chosenRows().map((row) => [...new Set(columns)]
      .map((c) => ({text: c.text(row), bold: !!c.bold && c.bold(row)})))];
  };
  $('csv').addEventListener('click', () => saveText(csvOf(chosenRows()),
    'text/csv', 'leaderboard.csv'));
  $('markdown').addEventListener('click', () => saveText(
    `${markdownTable(...table())}\n`
      + `${escaped($('count').textContent, 'markdown')}.\n`,
    'text/markdown', 'leaderboard.md'));
  $('latex').addEventListener('click', () => saveText(
    latexTable(...table(), `${$('count').textContent}.`),
    'text/x-tex', 'leaderboard.tex'));
}

/** Lines of the CSV file; in its own order, where the reader chose none. */
function csvOf(rows) {
  const {head, lines, places} = DATA.csv;
  const numbers = rows.map((row) => ROW_NUMBERS.get(row));
  if (order().key === null) numbers.sort((a, b) => places[a] - places[b]);
  return head + numbers.map((i) => lines[i]).join('');
}

section('numbers', {start: startFilters});
