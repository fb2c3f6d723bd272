/* A long table of which only the rows in sight are in the document: ten
   thousand rows are as quick as sixty. */
const FEW = 60; // rows that are all drawn
const SPARE = 15; // rows above and below those in sight
const MAX_PRINTED = 2000; // rows on paper

/** box: what scrolls. space: the element between it and the table; its
    padding stands for the rows that are not drawn. make(item, i): a row.
    Returns show(items), to be called whenever they change. */
function rowWindow(box, space, make) {
  let items = [];
  let heights = []; // pixels, of rows that were drawn
  let guess = 40; // pixels, of the others
  let from = 0; // drawn rows: from <= i < to
  let to = 0;
  const body = () => space.querySelector('tbody');
  const height = (i) => heights[i] || guess;
  const sum = (a, b) => {
    let total = 0;
    for (let i = a; i < b; i++) total += height(i);
    return total;
  };

  function inSight() {
    const end = box.scrollTop + box.clientHeight;
    let [first, y] = [0, 0];
    while (first < items.length && y + height(first) < box.scrollTop) {
      y += height(first++);
    }
    let last = first;
    while (last < items.length && y < end) y += height(last++);
    return [first, last];
  }

  /** Rows that stay are not touched, so that they keep the focus. */
  function draw(first, last) {
    const rows = body();
    const old = [...rows.children];
    const apart = first >= to || last <= from;
    old.forEach((node, j) => {
      const i = from + j;
      if (!apart && i >= first && i < last) return;
      if (node.contains(document.activeElement)) {
        box.focus({preventScroll: true});
      }
      node.remove();
    });
    const line = (i) => {
      const node = make(items[i], i);
      node.setAttribute('aria-rowindex', i + 2);
      return node;
    };
    const range = (a, b) => Array.from({length: Math.max(0, b - a)},
      (_, j) => line(a + j));
    const before = sum(0, first);
    const guessed = apart ? 0 : sum(first, from);
    if (apart) rows.append(...range(first, last));
    else {
      rows.prepend(...range(first, Math.min(from, last)));
      rows.append(...range(Math.max(to, first), last));
    }
    [...rows.children].forEach((node, j) => {
      heights[first + j] = node.offsetHeight;
    });
    space.style.paddingTop = `${before}px`;
    space.style.paddingBottom = `${sum(last, items.length)}px`;
    // what is in sight stays where it is
    if (!apart && first < from) box.scrollTop += sum(first, from) - guessed;
    [from, to] = [first, last];
    keepWidths();
  }

  /** Columns do not jump when wider rows come and go. */
  function keepWidths() {
    if (to - from === items.length) return;
    const heads = [...space.querySelectorAll('thead th')];
    const widths = heads.map((head) => head.offsetWidth); // read, then write
    heads.forEach((head, i) => {
      head.style.minWidth = `${widths[i]}px`;
    });
  }

  function follow() {
    if (to - from === items.length) return;
    const [first, last] = inSight();
    if (first >= from && last <= to) return;
    draw(Math.max(0, first - SPARE), Math.min(items.length, last + SPARE));
  }

  function show(rows) {
    items = rows;
    heights = [];
    [from, to] = [0, 0];
    body().replaceChildren();
    space.querySelectorAll('thead th').forEach((head) => {
      head.style.minWidth = '';
    });
    box.classList.toggle('long', items.length > FEW);
    box.scrollTop = 0;
    space.querySelector('table').setAttribute('aria-rowcount',
      items.length + 1);
    draw(0, Math.min(FEW, items.length));
    if (to) guess = sum(0, to) / to;
    space.style.paddingBottom = `${sum(to, items.length)}px`;
  }

  function showAll() {
    draw(0, Math.min(items.length, MAX_PRINTED));
    space.style.paddingBottom = '0px';
  }

  box.addEventListener('scroll', follow, {passive: true});
  window.addEventListener('resize', () => {
    if (items.length > FEW) show(items);
  });
  window.addEventListener('beforeprint', showAll);
  window.addEventListener('afterprint', () => show(items));
  return show;
}
