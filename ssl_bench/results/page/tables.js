/* What the tables of several sections share. */
const COLLATOR = new Intl.Collator('en', {numeric: true});

function compare(a, b, descending) {
  const none = (v) => v === null || v === undefined || v === '';
  if (none(a) || none(b)) return none(a) - none(b); // empty last, always
  const order = typeof a === 'number' && typeof b === 'number'
    ? a - b : COLLATOR.compare(String(a), String(b));
  return descending ? -order : order;
}

/** The items by value(item), which is asked once of each. */
function sortedBy(items, value, descending) {
  const pairs = items.map((item) => [value(item), item]);
  pairs.sort((a, b) => compare(a[0], b[0], descending));
  return pairs.map((pair) => pair[1]);
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
