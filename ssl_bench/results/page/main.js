/* Put the page together. */
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

function drawWarnings() {
  $('warning-list').replaceChildren(...DATA.warnings.map((warning) =>
    el('li', {}, el('b', {}, warning.kind), warning.message,
      warning.files.map((file) => el('code', {}, file)))));
}

function drawGallery() {
  $('gallery').replaceChildren(...DATA.pictures.map((picture) =>
    el('figure', {class: 'card'}, el('button', {type: 'button',
      'aria-label': `Enlarge: ${picture.caption}`,
      onclick: () => openPicture(picture)},
    el('img', {src: picture.source, alt: picture.caption,
      width: picture.size[0], height: picture.size[1]})),
    el('figcaption', {}, picture.caption))));
}

function startTheme() {
  const names = ['auto', 'light', 'dark'];
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const printing = matchMedia('print');
  let chosen = 'auto';
  try {
    chosen = localStorage.getItem('ssl-bench-theme') || 'auto';
  } catch (error) { /* a file may not be allowed to store */ }
  const apply = () => {
    const isDark = !printing.matches
      && (chosen === 'dark' || (chosen === 'auto' && dark.matches));
    document.documentElement.dataset.theme = isDark ? 'dark' : 'light';
    document.documentElement.style.colorScheme = isDark ? 'dark' : 'light';
    $('theme').textContent = `Theme: ${chosen}`;
  };
  $('theme').addEventListener('click', () => {
    chosen = names[(names.indexOf(chosen) + 1) % names.length];
    try {
      localStorage.setItem('ssl-bench-theme', chosen);
    } catch (error) { /* as above */ }
    apply();
  });
  dark.addEventListener('change', apply);
  printing.addEventListener('change', apply);
  apply();
}

function startSections() {
  const shown = {'by-task': true, overview: true, numbers: true,
    ranks: DATA.ranks.length > 0, cost: costTasks().length > 0,
    curves: DATA.curves.length > 0, pictures: DATA.pictures.length > 0,
    warnings: DATA.warnings.length > 0};
  for (const section of document.querySelectorAll('main > section')) {
    section.hidden = !shown[section.id];
    if (section.hidden) continue;
    const title = section.querySelector('h2').textContent;
    $('nav').append(el('a', {href: `#${section.id}`}, title
      + (section.id === 'warnings' ? ` (${DATA.warnings.length})` : '')));
  }
}

startTheme();
drawFacts();
startSections();
drawMatrices();
startFilters();
drawWarnings();
drawGallery();
startCharts().finally(() => { document.body.dataset.ready = 'yes'; });

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, select, textarea, dialog');
  if (event.key === '/' && !typing) {
    event.preventDefault();
    $('f-text').focus();
  }
});
