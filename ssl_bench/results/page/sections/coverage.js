/* Cells that lack runs, each with the command that makes them. */
const FIRST_GAPS = 30;
const GAPS = DATA.coverage.cells.filter((cell) => cell.missing.length);
const GAP_OF = new Map(GAPS.map(
  (cell) => [`${cell.id} ${cell.column}`, cell]));

/** What a method lacks in a column; undefined where it lacks nothing. */
const gapOf = (id, column) => GAP_OF.get(`${id} ${column}`);

async function copyText(button, text) {
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch (error) { // not allowed here: the text can be marked by hand
    button.textContent = 'Not allowed by the browser';
  }
  setTimeout(() => { button.textContent = before; }, 1500);
}

function gapState(cell) {
  const begun = cell.started.map(([seed, folder]) =>
    el('small', {}, `seed ${seed} was started and has no record: ${folder}`));
  return [cell.seeds.length ? `has ${cell.seeds.length}` : 'none',
    el('small', {}, `missing: ${cell.missing.join(', ')}`), begun];
}

function commandLine(fill) {
  const button = el('button', {type: 'button', class: 'quiet', onclick: () =>
    copyText(button, fill.command)}, 'Copy');
  return el('span', {}, el('span', {class: 'command'},
    el('code', {}, fill.command), button),
  fill.notes.map((note) => el('small', {}, note)));
}

function gapRow(cell) {
  const row = DATA.rows.find((r) => r.id === cell.id);
  const column = DATA.columns.find((c) => c.key === cell.column);
  return el('tr', {}, el('th', {scope: 'row'}, el('span', {}, row.short_name,
    el('small', {}, [row.network, pretraining({...row, backbone: ''})].filter(
      Boolean).join(' · ')))),
  el('td', {class: 'text', 'data-head': 'Task'}, el('span', {}, column.title)),
  el('td', {class: 'text', 'data-head': 'Seeds'},
    el('span', {}, gapState(cell))),
  el('td', {class: 'text'}, el('span', {}, cell.fills.map(commandLine))));
}

function drawGaps(limit) {
  const heads = ['Method', 'Task', 'Seeds', 'Command'];
  $('gaps').replaceChildren(el('thead', {}, el('tr', {}, heads.map((head) =>
    el('th', {scope: 'col', class: 'text'}, head)))),
  el('tbody', {}, GAPS.slice(0, limit).map(gapRow)));
  $('more-gaps').hidden = GAPS.length <= limit;
  $('more-gaps').textContent = `Show all ${GAPS.length}`;
}

/** Go to the command of a cell. */
function showGap(cell) {
  const place = GAPS.indexOf(cell);
  if (place >= $('gaps').tBodies[0].rows.length) drawGaps(GAPS.length);
  const line = $('gaps').tBodies[0].rows[place];
  for (const row of $('gaps').tBodies[0].rows) {
    row.classList.toggle('found', row === line);
  }
  line.scrollIntoView({block: 'center'});
  line.querySelector('button').focus();
}

function startCoverage() {
  $('coverage-text').textContent = DATA.coverage.text;
  $('more-gaps').addEventListener('click', () => drawGaps(GAPS.length));
  const fills = GAPS.flatMap((cell) => cell.fills);
  $('copy-all').addEventListener('click', () => copyText($('copy-all'),
    fills.map((fill) => fill.command).join('\n')));
  drawGaps(FIRST_GAPS);
}

section('coverage', {shown: () => GAPS.length > 0,
  count: () => GAPS.length, start: startCoverage});
