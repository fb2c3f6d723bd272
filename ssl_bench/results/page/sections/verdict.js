/* The first screen: what the numbers say. */
function drawFacts() {
  const measured = DATA.rows.filter(isMeasured);
  const last = DATA.runs.map((run) => run.finished).sort().at(-1);
  const pairs = [['Methods', new Set(measured.map(methodKey)).size],
    ['Tasks', new Set(measured.map((row) => row.task)).size],
    ['Runs', DATA.runs.length],
    ['Printed numbers', DATA.rows.reduce(
      (sum, row) => sum + row.published.length, 0)],
    ['Last run', last ? last.slice(0, 10) : '']];
  $('facts').replaceChildren(...pairs.filter(([, value]) => value).map(
    ([name, value]) => el('div', {}, el('dt', {}, name),
      el('dd', {}, String(value)))));
}

function drawVerdicts() {
  $('verdict-list').replaceChildren(...DATA.verdicts.filter(
    (found) => found.kind !== 'alone').map((found) => el('li', {
    class: found.kind}, el('b', {}, TASKS.get(found.task).title, ': '),
  found.text)));
}

function drawTrial() {
  $('trial').textContent = DATA.trial;
  $('trial').hidden = !DATA.trial;
}

section('verdict', {start: () => {
  drawTrial();
  drawVerdicts();
  drawFacts();
}});
