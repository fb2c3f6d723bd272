/* Methods by tasks: a heat map of the differences to a chosen baseline. */
const LEVELS = 4; // of the shading, as in overview.css
const SIGNS = {better: '▲ better', worse: '▼ worse', undecided: 'undecided'};
const CELLS = DATA.rows.filter((row) => row.column !== null);

/** What the reader chose; rows and columns are made once for a choice. */
const MATRIX = {table: 'matrix-table', key: 'name', descending: false,
  columns: [], lines: []};

const COLUMN_KEYS = DATA.columns.map((column) => column.key);

/** Columns that are shown; all of them where the address names none. */
function shownColumns() {
  const kept = new Set(STATE.get('columns').split(',').map((text) => {
    try {
      return decodeURIComponent(text);
    } catch (error) {
      return text; // a damaged link
    }
  }));
  const found = DATA.columns.filter((column) => kept.has(column.key));
  return found.length ? found : DATA.columns;
}

function keepColumns(keys) {
  const whole = !keys.length || keys.length === COLUMN_KEYS.length;
  STATE.set('columns', whole ? '' : keys.map(encodeURIComponent).join(','));
}

/** Methods of each backbone and kind of training, the largest first. */
function matrixGroups() {
  const groups = new Map();
  for (const row of CELLS) {
    if (!groups.has(row.group)) groups.set(row.group, new Map());
    const methods = groups.get(row.group);
    const key = methodKey(row);
    if (!methods.has(key)) {
      methods.set(key, {first: row, cells: new Map(),
        rank: RANKED.find((rank) => rank.id === key)});
    }
    methods.get(key).cells.set(row.column, row);
  }
  return [...groups.values()].map((methods) => [...methods.values()])
    .sort((a, b) => b.length - a.length
      || compare(a[0].first.network, b[0].first.network));
}

/* ---- The baseline ---- */

function chosenBaseline() {
  const name = STATE.get('baseline');
  return DATA.baselines.find((choice) => choice.name === name)
    || DATA.baselines[0];
}

/** How rows stand against the chosen baseline: a function of a row. It gives
    {same: true} for the baseline itself, {alone: true} where that has no
    other row to be compared with, a comparison with its other row, or null
    where the two are not compared. */
function standings() {
  const bases = chosenBaseline().rows.map((i) => DATA.rows[i]);
  const byColumn = new Map();
  for (const base of bases) {
    byColumn.set(base.column, [...(byColumn.get(base.column) || []), base]);
  }
  const place = (row) => `${row.group} ${row.column}`;
  const count = new Map();
  for (const row of CELLS) {
    count.set(place(row), (count.get(place(row)) || 0) + 1);
  }
  const same = new Set(bases);
  return (row) => {
    if (same.has(row)) {
      return count.get(place(row)) > 1 ? {same: true} : {alone: true};
    }
    const able = [...(byColumn.get(row.column) || [])].sort((a, b) =>
      (b.group === row.group) - (a.group === row.group));
    for (const base of able) {
      const found = comparison(row, base);
      if (found) return {...found, base};
    }
    return null;
  };
}

/** The largest difference that is decided, by column. */
function largest(standing) {
  const found = new Map();
  for (const row of CELLS) {
    const its = standing(row);
    if (its && (its.answer === 'better' || its.answer === 'worse')) {
      found.set(row.column, Math.max(found.get(row.column) || 0,
        Math.abs(its.difference)));
    }
  }
  return found;
}

/** Class of the shading: only what is decided is shaded. */
function shade(row, its, most) {
  if (row.values.length < 2) return 'single';
  if (!its || !SIGNS[its.answer] || its.answer === 'undecided') return '';
  const part = Math.abs(its.difference) / most.get(row.column);
  const level = Math.max(1, Math.ceil(part * LEVELS - 1e-9));
  return `${its.answer === 'better' ? 'up' : 'down'}-${level}`;
}

/* ---- Cells ---- */

function bestText(row) {
  return row.best ? el('span', {class: 'best'}, '★ unbeaten') : null;
}

/** Mean, interval, printed number, and the answer against the baseline. */
function numbersCell(row, its) {
  const item = row.published[0];
  return [el('b', {}, row.text.mean),
    row.std === null ? null : el('i', {}, ` ± ${row.text.std}`),
    row.text.departed ? ` ${row.text.departed}` : null,
    el('small', {}, unbroken(row.text.interval)),
    item ? el('small', {}, `publ. ${item.text} `, verdictText(row)) : null,
    answerLine(row, its)];
}

function answerLine(row, its) {
  const best = bestText(row);
  if (its && its.same) return el('small', {}, 'baseline', best && ' ', best);
  if (!its || its.alone || row.values.length < 2) {
    return best && el('small', {}, best);
  }
  const gap = its.test ? `${its.gap} ` : '';
  return el('small', {}, `${gap}${SIGNS[its.answer]}`, best && ' ', best);
}

/** The difference and its interval, or why there is none. */
function differenceCell(row, its) {
  if (its && its.same) {
    return [el('b', {}, row.text.mean), el('small', {}, 'baseline'),
      el('small', {}, unbroken(row.text.interval)), bestText(row)];
  }
  if (its && its.alone) {
    return [el('b', {}, row.text.mean), el('small', {}, 'alone')];
  }
  if (!its) {
    return [el('b', {}, '–'), el('small', {}, 'not compared: the baseline'
      + ' was not measured so'), bestText(row)];
  }
  const other = its.base.group === row.group ? null
    : el('small', {}, `against ${its.base.network}`);
  const sign = its.answer === 'undecided' ? '' : SIGNS[its.answer][0];
  return [el('b', {}, its.gap), el('i', {}, ` ${sign}`),
    row.text.departed ? ` ${row.text.departed}` : null,
    el('small', {}, unbroken(its.text)), other,
    row.best ? el('small', {}, bestText(row)) : null];
}

function matrixCell(row, its, most) {
  const view = STATE.get('view', 'numbers');
  const kind = ['cell', shade(row, its, most), row.best ? 'best' : ''];
  const against = its && its.text
    ? `\n${chosenBaseline().name}: ${its.text}\n${its.test}` : '';
  return el('button', {type: 'button', title: hint(row) + against,
    class: kind.filter(Boolean).join(' '), onclick: () => openPanel(row)},
  view === 'difference' ? differenceCell(row, its) : numbersCell(row, its));
}

function gapCell(cell) {
  const begun = cell.started.length > 0;
  return el('button', {type: 'button', class: 'gap',
    title: 'Go to the command that measures it',
    onclick: () => showGap(cell)}, begun ? 'not finished' : 'missing',
  el('small', {}, 'show command'));
}

/** The average rank; empty for a method that is not ranked. */
function rankCell(rank) {
  return el('td', {}, rank ? el('div', {class: 'cell plain'},
    el('b', {}, rank.text), el('small', {}, unbroken(rank.interval_text)),
    el('small', {}, `group ${rank.letters}`)) : null);
}

/** What the pretraining changed: another method of the same name. */
function changes(row) {
  const start = 'pretraining: ';
  const found = row.departures.filter((text) => text.startsWith(start));
  if (!found.length) return null;
  const text = start + found.map((t) => t.slice(start.length)).join('; ');
  return el('small', {class: 'changed', title: text}, text);
}

/** Name of a method, and its backbone where no heading says it. */
function methodHead(first, headed) {
  const source = headed
    ? pretraining({...first, backbone: ''}) : pretraining(first);
  return el('th', {scope: 'row'}, el('span', {class: 'name',
    title: first.short_name}, first.short_name),
    source ? el('small', {}, source) : null,
    first.trained_text && !headed ? el('small', {}, first.trained_text) : null,
    changes(first));
}

function matrixLine(item, {standing, most, ranked, headed}) {
  const {first} = item;
  return el('tr', {}, methodHead(first, headed),
  ranked ? rankCell(item.rank) : null,
  MATRIX.columns.map((column) => {
    const row = item.cells.get(column.key);
    const gap = row ? null : gapOf(methodKey(first), column.key);
    return el('td', {}, row ? matrixCell(row, standing(row), most) : null,
      gap ? gapCell(gap) : null);
  }));
}

/* ---- The table ---- */

function matrixHeads(ranked) {
  return [{key: 'name', title: 'Method', text: true},
    ...(ranked ? [{key: 'rank', title: 'Average', sub: 'rank'}] : []),
    ...MATRIX.columns.map((column) => {
      const task = TASKS.get(column.task);
      const metric = task.metrics.find((m) => m.id === task.main);
      return {key: column.key, title: task.title, descending: metric.higher,
        sub: metric.title + (metric.higher ? '' : ' (lower is better)'),
        notes: column.notes};
    })];
}

/** Headings of the tasks' areas, each over its columns. */
function areaRow(ranked) {
  const areas = [];
  for (const {area} of MATRIX.columns) {
    if (areas.length && areas.at(-1).area === area) areas.at(-1).count += 1;
    else areas.push({area, count: 1});
  }
  return el('tr', {class: 'areas'}, el('td'),
    ranked ? el('td') : null, areas.map(({area, count}) =>
      el('th', {scope: 'colgroup', colspan: count}, area)));
}

function matrixValue(item, key) {
  if (key === 'name') return item.first.short_name;
  if (key === 'rank') return item.rank ? item.rank.average : null;
  const row = item.cells.get(key);
  return row ? row.mean : null;
}

/** By rank; else by the first task on which a place is shown; else by name. */
function normalOrder(ranked) {
  if (ranked) return 'rank';
  const first = MATRIX.columns[0];
  const placed = CELLS.some(
    (row) => row.column === first.key && row.place !== null);
  if (!placed) return 'name';
  const head = matrixHeads(ranked).find((h) => h.key === first.key);
  return (head.descending ? '-' : '') + first.key;
}

function readOrder(ranked) {
  const text = STATE.get('order', normalOrder(ranked));
  MATRIX.descending = text.startsWith('-');
  MATRIX.key = MATRIX.descending ? text.slice(1) : text;
}

function sortLines() {
  const find = STATE.get('methods').toLowerCase();
  for (const {body, lines} of MATRIX.lines) {
    lines.sort((a, b) => compare(matrixValue(a.item, MATRIX.key),
      matrixValue(b.item, MATRIX.key), MATRIX.descending)
      || compare(a.item.first.short_name, b.item.first.short_name));
    for (const {item, line} of lines) {
      line.hidden = !item.first.label.toLowerCase().includes(find);
    }
    body.append(...lines.map(({line}) => line));
    body.hidden = lines.every(({line}) => line.hidden);
  }
}

function drawHeads(ranked) {
  const redraw = () => {
    const text = (MATRIX.descending ? '-' : '') + MATRIX.key;
    STATE.set('order', text, normalOrder(ranked));
  };
  const heads = matrixHeads(ranked).map((head) => {
    const node = sortable(head, MATRIX, redraw);
    node.querySelector('.title').title = head.title;
    node.querySelector('button').append(...(head.notes || []).map(
      (note) => el('span', {class: 'sub', title: note}, note)));
    return node;
  });
  $(MATRIX.table).tHead.replaceChildren(areaRow(ranked),
    el('tr', {}, heads));
}

function drawMatrix() {
  MATRIX.columns = shownColumns();
  const groups = matrixGroups();
  const ranked = groups.flat().some((item) => item.rank);
  const standing = standings();
  const drawn = {standing, most: largest(standing), ranked,
    headed: groups.length > 1};
  const width = 1 + ranked + MATRIX.columns.length;
  MATRIX.lines = groups.map((items) => ({
    body: el('tbody', {}, drawn.headed ? el('tr', {class: 'network'},
      el('th', {scope: 'rowgroup', colspan: width},
        el('span', {}, items[0].first.network))) : null),
    lines: items.map((item) => ({item,
      line: matrixLine(item, drawn)}))}));
  $('matrix').replaceChildren(el('div', {class: 'scroll card matrix',
    tabindex: '0', role: 'region', 'aria-label': 'Matrix'},
  el('table', {id: MATRIX.table}, el('thead'),
    MATRIX.lines.map(({body}) => body))));
  drawOrder();
  drawKeys();
}

function drawOrder() {
  const ranked = MATRIX.lines.some(({lines}) =>
    lines.some(({item}) => item.rank));
  readOrder(ranked);
  const focus = document.activeElement;
  const key = focus && focus.closest(`#${MATRIX.table} [data-key]`)
    ? focus.dataset.key : null;
  drawHeads(ranked);
  sortLines();
  if (key !== null) {
    document.querySelector(
      `#${MATRIX.table} [data-key="${CSS.escape(key)}"]`).focus();
  }
}

/** What the shading means; nothing where no two rows are compared. */
function drawKeys() {
  if (!DATA.pairs.length) return;
  const steps = (way) => Array.from({length: LEVELS}, (_, i) =>
    el('span', {class: `${way}-${i + 1}`}));
  $('matrix-legend').replaceChildren('Against '
    + `${chosenBaseline().name}: worse`,
  el('span', {class: 'shades', 'aria-hidden': 'true'}, steps('down').reverse(),
    steps('up')), 'better, by the largest difference of the column; no '
    + 'colour: undecided',
  el('span', {class: 'shades', 'aria-hidden': 'true'},
    el('span', {class: 'single'})),
  'one seed, which decides nothing. ★ unbeaten: no other method of the '
    + 'column and backbone is shown to be better, and some are shown to be '
    + 'worse.');
}

/* ---- What a reader chooses ---- */

function drawTools() {
  $('m-baseline').closest('label').hidden = !DATA.pairs.length;
  fill($('m-baseline'), DATA.baselines.map(({name}) => [name, name]),
    chosenBaseline().name);
  for (const input of document.querySelectorAll('#matrix-tools [name=view]')) {
    input.checked = input.value === STATE.get('view', 'numbers');
  }
  if (document.activeElement !== $('m-find')) {
    $('m-find').value = STATE.get('methods');
  }
  const shown = new Set(shownColumns().map((column) => column.key));
  for (const input of document.querySelectorAll('#m-columns input')) {
    input.checked = shown.has(input.value);
  }
  $('m-columns').querySelector('summary').textContent =
    shown.size === COLUMN_KEYS.length ? 'Columns'
      : `Columns (${shown.size} of ${COLUMN_KEYS.length})`;
}

function columnChoices() {
  const areas = [...new Set(DATA.columns.map((column) => column.area))];
  const boxes = () => [...document.querySelectorAll('#m-columns input')];
  $('m-columns').querySelector('div').replaceChildren(
    ...areas.flatMap((area) => [el('b', {}, area),
      ...DATA.columns.filter((column) => column.area === area).map((column) =>
        el('label', {}, el('input', {type: 'checkbox', value: column.key,
          onchange: () => keepColumns(boxes().filter(
            (box) => box.checked).map((box) => box.value))}),
        column.title))]),
    el('button', {type: 'button', class: 'quiet',
      onclick: () => keepColumns([])}, 'Show all'));
}

function startMatrix() {
  const form = $('matrix-tools');
  form.addEventListener('submit', (event) => event.preventDefault());
  $('m-baseline').addEventListener('change', () => STATE.set('baseline',
    $('m-baseline').value, DATA.baselines[0].name));
  $('m-find').addEventListener('input', () =>
    STATE.set('methods', $('m-find').value));
  for (const input of form.querySelectorAll('[name=view]')) {
    input.addEventListener('change', () =>
      STATE.set('view', input.value, 'numbers'));
  }
  columnChoices();
  for (const name of ['baseline', 'view', 'columns']) {
    STATE.on(name, () => {
      drawTools();
      drawMatrix();
    });
  }
  STATE.on('order', drawOrder);
  STATE.on('methods', () => {
    drawTools();
    sortLines();
  });
  drawTools();
  drawMatrix();
}

section('overview', {shown: () => CELLS.length > 0, start: startMatrix});
