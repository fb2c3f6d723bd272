/* Of a page that `leaderboard --watch` keeps up to date: it reloads itself.
   A file cannot ask whether it has changed. What a reader chose is in the
   address; the place on the page is kept here. */
(() => {
  const KEY = 'ssl-bench-scroll';
  const {seconds, changed} = DATA.watched;
  document.body.append(el('p', {class: 'watching', role: 'status'},
    `watching, last change ${changed}`));

  function kept() {
    try {
      const text = sessionStorage.getItem(KEY);
      sessionStorage.removeItem(KEY);
      return text === null ? null : Number(text);
    } catch (error) {
      return null; // a file may not be allowed to store
    }
  }

  function keep() {
    try {
      sessionStorage.setItem(KEY, String(window.scrollY));
    } catch (error) { /* as above */ }
  }

  /** Whether somebody reads or writes what a reload would take away. */
  function busy() {
    const at = document.activeElement;
    return document.hidden || document.querySelector('dialog[open]')
      || (at && at.matches('input, select, textarea'))
      || !getSelection().isCollapsed;
  }

  // a page that is not drawn yet has neither a place nor anything to see
  new MutationObserver((_, observer) => {
    observer.disconnect();
    const place = kept();
    if (place !== null) window.scrollTo(0, place);
    setInterval(() => {
      if (busy()) return;
      keep();
      location.reload();
    }, seconds * 1000);
  }).observe(document.body, {attributeFilter: ['data-ready']});
})();
