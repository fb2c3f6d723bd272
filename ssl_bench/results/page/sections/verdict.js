/* The first screen: what the numbers say. */
const FIRST_VERDICTS = 6; // at most; the others can be opened
const LEAST_VERDICTS = 3;
const VERDICT_PART = 0.34; // of the window's height

function drawFacts() {
  const measured = DATA.rows.filter(isMeasured);
  const last = DATA.runs.map((run) => run.finished).sort().at(-1);
  const printed = DATA.rows.reduce((sum, r) => sum + r.published.length, 0);
  const count = (number, name) => (number
    ? `${number} ${name}${number === 1 ? '' : 's'}` : '');
  $('facts').textContent = [
    count(new Set(measured.map((row) => row.backbone)).size, 'backbone'),
    count(DATA.runs.length, 'run'), count(printed, 'printed number'),
    last ? `last run ${last.slice(0, 10)}` : ''].filter(Boolean).join(' · ');
}

/** One answer; a sign and the text tell whether it is decided. */
function answerText(answer) {
  const sign = answer.kind === 'decided' ? '✓' : '?';
  return el('span', {class: `answer ${answer.kind}`},
    el('i', {'aria-hidden': 'true'}, sign), el('span', {}, answer.text));
}

function verdictLine(found, several) {
  return el('li', {class: found.kind}, el('span', {},
    el('b', {}, found.title),
    several ? el('small', {}, found.network) : null,
    found.note ? el('small', {}, found.note) : null),
  found.answers.map(answerText));
}

function drawVerdicts() {
  const found = DATA.verdicts.filter((verdict) => verdict.kind !== 'alone');
  const several = new Set(found.map((verdict) => verdict.network)).size > 1;
  const lines = found.map((verdict) => verdictLine(verdict, several));
  if (!lines.length && DATA.verdicts.length) {
    lines.push(el('li', {class: 'nothing'},
      'Nothing to compare: one method on each task.'));
  }
  const newest = found.filter((verdict) => !verdict.earlier).length;
  const first = Math.min(newest || lines.length, FIRST_VERDICTS);
  const list = $('verdict-list');
  list.replaceChildren(...lines.slice(0, first));
  while (list.childElementCount > LEAST_VERDICTS
    && list.offsetHeight > innerHeight * VERDICT_PART) list.lastChild.remove();
  const rest = lines.slice(list.childElementCount);
  const more = $('more-verdicts');
  more.hidden = !rest.length;
  more.querySelector('summary').textContent = rest.length === 1
    ? '1 more verdict' : `${rest.length} more verdicts`;
  more.querySelector('ul').replaceChildren(...rest);
}

function drawScores() {
  const {text, whole} = DATA.coverage;
  const links = whole ? [] : [' (', el('a', {href: '#coverage'},
    'what is missing'), ')'];
  $('scores').replaceChildren(
    ...(DATA.reproduction.total ? [el('li', {id: 'reproduction'},
      `Papers: ${DATA.reproduction.text}`)] : []),
    ...(text ? [el('li', {}, `Coverage: ${text}`, links)] : []));
}

function drawTrial() {
  $('trial').textContent = DATA.trial;
  $('trial').hidden = !DATA.trial;
}

section('verdict', {start: () => {
  drawTrial();
  drawVerdicts();
  drawScores();
  drawFacts();
}});
