/* Put the page together. */
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

/** Hide what has no content, name the rest in the navigation, draw it. */
function startSections() {
  const drawn = [];
  for (const {id, shown, count, start} of SECTIONS) {
    const node = $(id);
    node.hidden = shown ? !shown() : false;
    if (node.hidden) continue;
    const heading = node.querySelector('h2');
    if (heading) {
      $('nav').append(el('a', {href: `#${id}`}, heading.textContent
        + (count ? ` (${count()})` : '')));
    }
    drawn.push(start());
  }
  return Promise.all(drawn.flat());
}

/** Paper has no buttons: what a reader could open is open on it. */
function startPrinting() {
  let opened = [];
  window.addEventListener('beforeprint', () => {
    opened = [...document.querySelectorAll(
      'main details:not([open], .chooser)')];
    opened.forEach((details) => { details.open = true; });
  });
  window.addEventListener('afterprint', () => {
    opened.forEach((details) => { details.open = false; });
    opened = [];
  });
}

startTheme();
startPrinting();
startSections().then(() => {
  STATE.goToSection();
  showCell();
}).finally(() => {
  document.body.dataset.ready = 'yes';
});

document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, select, textarea, dialog');
  if (event.key === '/' && !typing) {
    event.preventDefault();
    $('f-q').focus();
  }
});
