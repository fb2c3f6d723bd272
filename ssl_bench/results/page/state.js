/* What a reader chose (filters, columns, baseline, open cell), in the
   address: `#SECTION&name=value`, so that a link shows the same page. */
const STATE = (() => {
  const values = new Map();
  const listeners = new Map();
  let place = '';

  function read() {
    const parts = location.hash.slice(1).split('&');
    place = parts[0].includes('=') ? '' : decode(parts[0]);
    values.clear();
    for (const part of parts) {
      const i = part.indexOf('=');
      if (i > 0) values.set(decode(part.slice(0, i)), decode(part.slice(i + 1)));
    }
  }

  function decode(text) {
    try {
      return decodeURIComponent(text);
    } catch (error) {
      return text; // a damaged link: as it is
    }
  }

  /** push: a step that "back" takes back; one for all that follow. */
  function write(push) {
    const parts = [...values].sort().map(([name, value]) =>
      `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
    const hash = [encodeURIComponent(place), ...parts].filter(Boolean)
      .join('&');
    const step = history.state === 'step';
    try {
      if (push && !step) history.pushState('step', '', `#${hash}`);
      else history.replaceState(history.state, '', `#${hash}`);
    } catch (error) { /* too many in a short time: the next one is written */ }
  }

  /** The value of a name, or what it is by default. */
  function get(name, normal = '') {
    return values.has(name) ? values.get(name) : normal;
  }

  /** Keep a value; what equals the default is not written down. With push
      the browser's "back" goes to what was before. */
  function set(name, value, normal = '', push = false) {
    const text = String(value);
    if (get(name, normal) === text) return;
    if (text === normal) values.delete(name);
    else values.set(name, text);
    write(push);
    (listeners.get(name) || []).forEach((tell) => tell());
  }

  /** Call tell() whenever the value of a name changes. */
  function on(name, tell) {
    listeners.set(name, [...(listeners.get(name) || []), tell]);
  }

  function goToSection() {
    if (place && $(place)) $(place).scrollIntoView();
  }

  window.addEventListener('hashchange', () => {
    const [before, from] = [new Map(values), place];
    read();
    for (const [name, tells] of listeners) {
      if (before.get(name) !== values.get(name)) {
        tells.forEach((tell) => tell());
      }
    }
    if (place !== from) goToSection();
  });
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (!link || event.defaultPrevented) return;
    event.preventDefault();
    place = link.getAttribute('href').slice(1);
    write();
    goToSection();
    if (link.classList.contains('skip')) {
      $(place).tabIndex = -1; // a section takes no focus by itself
      $(place).focus();
    }
  });
  read();
  return {get, set, on, goToSection};
})();
