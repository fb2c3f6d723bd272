/* What a reader should be warned of. */
function drawWarnings() {
  $('warning-list').replaceChildren(...DATA.warnings.map((warning) =>
    el('li', {}, el('b', {}, warning.kind), warning.message,
      warning.files.map((file) => el('code', {}, file)))));
}

section('warnings', {shown: () => DATA.warnings.length > 0,
  count: () => DATA.warnings.length, start: drawWarnings});
