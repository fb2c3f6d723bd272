/* One picture at a time, large; the arrow keys lead to the others. */

/** What the colours of a sheet mean, as text. */
function legendOf(entries) {
  if (!entries.length) return null;
  return el('div', {class: 'swatches'}, entries.map(([color, text]) =>
    el('span', {class: color ? null : 'plain', style: color
      ? `--key: ${color}` : null}, text)));
}

/** What the colours of a task's tiles mean. */
function taskLegend(task) {
  const found = DATA.picture_legends.find((item) => item.task === task);
  return found ? found.entries : [];
}

/** Open the viewer; the keys lead through the pictures of the list. */
function openPicture(picture, list = [picture]) {
  const viewer = $('viewer');
  let place = Math.max(0, list.indexOf(picture));

  const show = (step) => {
    place = (place + step + list.length) % list.length;
    const shown = list[place];
    const tile = Boolean(shown.column);
    const move = (text, by) => el('button', {type: 'button',
      onclick: () => show(by)}, text);
    const buttons = list.length > 1 ? [move('Previous', -1), move('Next', 1),
      el('span', {}, `${place + 1} of ${list.length}`)] : [];
    const focused = viewer.contains(document.activeElement)
      ? document.activeElement.textContent : '';
    viewer.replaceChildren(
      el('img', {src: shown.source, alt: shown.alt,
        class: tile ? 'small' : null}),
      el('p', {'aria-live': 'polite'}, shown.caption
        + (shown.note ? ` (${shown.note})` : '')),
      legendOf(tile ? taskLegend(shown.task) : shown.legend) || '',
      el('footer', {}, buttons, el('button', {type: 'button',
        onclick: () => viewer.close()}, 'Close')));
    const again = [...viewer.querySelectorAll('button')].find((button) =>
      button.textContent === focused);
    (again || viewer.querySelector('button:last-child')).focus();
  };

  viewer.onkeydown = (event) => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || list.length < 2) return;
    event.preventDefault();
    show(step);
  };
  if (!viewer.open) viewer.showModal();
  show(0);
}
