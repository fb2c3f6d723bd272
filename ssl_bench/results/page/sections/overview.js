/* Methods by tasks: a table for each backbone and kind of training. */
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

section('overview', {shown: () => DATA.rows.some(isMeasured), start: drawMatrices});
