/* What a reader should be warned of: a line for each kind; long lists are
   behind it. */
const OPEN_WARNINGS = 3; // of one kind that are shown at once
const MAX_WARNINGS = 200; // of one kind in the document

function warningItem(warning) {
  const files = warning.files.map((file) => el('code', {}, file));
  return el('li', {}, warning.message, files.length > 1
    ? el('details', {}, el('summary', {}, `${files.length} files`), files)
    : files);
}

function warningKind(kind, items) {
  const shown = items.slice(0, MAX_WARNINGS).map(warningItem);
  const rest = items.length - shown.length;
  const list = el('ul', {}, shown, rest
    ? el('li', {}, `${rest} more; the command prints all of them`) : null);
  const head = [el('b', {}, kind), items.length > 1
    ? ` ${items.length}` : null];
  return el('li', {class: 'kind'}, items.length > OPEN_WARNINGS
    ? el('details', {}, el('summary', {}, head), list) : [head, list]);
}

function drawWarnings() {
  const kinds = new Map();
  for (const warning of DATA.warnings) {
    if (!kinds.has(warning.kind)) kinds.set(warning.kind, []);
    kinds.get(warning.kind).push(warning);
  }
  $('warning-list').replaceChildren(...[...kinds].map(
    ([kind, items]) => warningKind(kind, items)));
}

section('warnings', {shown: () => DATA.warnings.length > 0,
  count: () => DATA.warnings.length, start: drawWarnings});
