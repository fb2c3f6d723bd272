/* Pictures that runs left: test images by methods, then sheets. */
const PICTURES = (() => {
  const tiles = DATA.pictures.filter((picture) => picture.column);
  const names = [...new Set(DATA.pictures.map((p) => p.name))].filter(Boolean);
  const place = (task) => DATA.tasks.findIndex((one) => one.id === task);
  const tasks = [...new Set(DATA.pictures.map((p) => p.task))].filter(Boolean)
    .sort((a, b) => place(a) - place(b));
  const first = tasks.find((task) => tiles.some((p) => p.task === task))
    || tasks[0] || '';

  const titleOf = (task) => (TASKS.has(task) ? TASKS.get(task).title : task);
  const hidden = () => STATE.get('pic_without').split(',').filter(Boolean)
    .map((name) => { // as STATE does with a damaged address: as it is
      try { return decodeURIComponent(name); } catch (error) { return name; }
    });

  function chosenTask() {
    const task = STATE.get('pic_task', first);
    return task === 'all' || tasks.includes(task) ? task : first;
  }

  function isShown(picture) {
    const task = chosenTask();
    return !hidden().includes(picture.name)
      && (!picture.task || task === 'all' || picture.task === task);
  }

  /** A picture that opens large; list: where the arrow keys lead. */
  function button(picture, list) {
    return el('button', {type: 'button', class: 'zoom',
      'aria-label': `Enlarge: ${picture.alt}`,
      onclick: () => openPicture(picture, list)},
    el('img', {src: picture.source, alt: picture.alt, loading: 'lazy',
      decoding: 'async', width: picture.size[0], height: picture.size[1]}));
  }

  /** Different headings of columns, also of one name and two networks. */
  function headings(columns, task) {
    const rows = columns.map((picture) => DATA.rows.find((row) =>
      row.id === picture.method && row.task === task));
    const known = labels(rows.filter(Boolean));
    return columns.map((picture, i) => {
      const name = rows[i] ? known.shift() : picture.name || 'a run';
      return el('th', {scope: 'col'}, el('span', {class: 'swatch',
        style: `--key: ${colorOf(picture.name)}`}), name,
      picture.seed === null ? null : el('small', {},
        `seed ${picture.seed}`));
    });
  }

  const keyOf = (picture) => picture.method || picture.path;

  /** Test images of a task as rows: the truth, then a column a method. */
  function grid(task) {
    const own = tiles.filter((p) => p.task === task && isShown(p));
    const truths = own.filter((p) => p.column === 'truth');
    const found = own.filter((p) => p.column !== 'truth');
    if (!found.length) return null;
    const columns = [...new Map(found.map((p) => [keyOf(p), p])).values()];
    const images = [...new Set(own.map((p) => p.image))];
    const cells = new Map(found.map((p) => [`${p.image}\n${keyOf(p)}`, p]));
    const rows = images.map((image) => [
      truths.find((p) => p.image === image),
      ...columns.map((p) => cells.get(`${image}\n${keyOf(p)}`))]);
    const list = rows.flat().filter(Boolean);
    const cell = (picture) => el('td', {}, picture ? [button(picture, list),
      picture.note ? el('small', {}, picture.note) : null] : '–');
    return el('div', {class: 'card tiled'}, el('h3', {}, titleOf(task)),
      legendOf(taskLegend(task)),
      el('div', {class: 'scroll', tabindex: '0', role: 'group',
        'aria-label': `Test images of ${titleOf(task)}`},
      el('table', {class: 'tiles'},
        el('thead', {}, el('tr', {}, el('th', {scope: 'col'}, 'Test image'),
          el('th', {scope: 'col'}, 'Truth'), headings(columns, task))),
        el('tbody', {}, rows.map((row, i) => el('tr', {},
          el('th', {scope: 'row'}, images[i]), row.map(cell)))))));
  }

  const KINDS = [['views', 'What the methods see in pretraining'],
    ['predictions', 'Predictions'], ['other', 'Other pictures']];

  /** Whole sheets of a kind. */
  function sheets(kind, heading) {
    const own = DATA.pictures.filter((p) =>
      p.kind === kind && !p.column && isShown(p));
    return own.length ? [el('h3', {}, heading), ...own.map((picture) =>
      el('figure', {class: 'card'}, button(picture, own),
        el('figcaption', {}, picture.caption,
          legendOf(picture.legend))))] : [];
  }

  function draw() {
    const task = chosenTask();
    const shown = task === 'all' ? tasks : [task];
    $('picture-task').value = task;
    const without = hidden();
    for (const box of $('picture-methods').querySelectorAll('input')) {
      box.checked = !without.includes(box.value);
    }
    $('picture-grids').replaceChildren(...shown.map(grid).filter(Boolean));
    const drawn = KINDS.flatMap(([kind, heading]) => sheets(kind, heading));
    $('gallery').replaceChildren(...drawn);
    const nothing = !drawn.length && !$('picture-grids').childElementCount;
    $('picture-notes').textContent = [...DATA.picture_notes,
      nothing ? 'No picture of this choice.' : ''].join(' ').trim();
  }

  function choose(box) {
    const without = new Set(hidden());
    if (box.checked) without.delete(box.value);
    else without.add(box.value);
    STATE.set('pic_without', names.filter((name) => without.has(name)).map(
      encodeURIComponent).join(','));
  }

  function start() {
    fill($('picture-task'), [...tasks.map((task) => [task, titleOf(task)]),
      ...(tasks.length > 1 ? [['all', 'All tasks']] : [])], chosenTask());
    $('picture-task').parentElement.hidden = tasks.length < 2;
    $('picture-task').addEventListener('change', (event) =>
      STATE.set('pic_task', event.target.value, first));
    $('picture-methods').hidden = names.length < 2;
    $('picture-methods').append(...names.map((name) => el('label', {},
      el('input', {type: 'checkbox', value: name, checked: true,
        onchange: (event) => choose(event.target)}), name)));
    STATE.on('pic_task', draw);
    STATE.on('pic_without', draw);
    draw();
  }

  return {button, start};
})();

section('pictures', {shown: () => DATA.pictures.length > 0,
  start: PICTURES.start});
