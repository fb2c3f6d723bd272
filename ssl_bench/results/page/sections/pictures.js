/* Pictures that runs left. */
function drawGallery() {
  $('gallery').replaceChildren(...DATA.pictures.map((picture) =>
    el('figure', {class: 'card'}, el('button', {type: 'button',
      'aria-label': `Enlarge: ${picture.caption}`,
      onclick: () => openPicture(picture)},
    el('img', {src: picture.source, alt: picture.caption,
      width: picture.size[0], height: picture.size[1]})),
    el('figcaption', {}, picture.caption))));
}

section('pictures', {shown: () => DATA.pictures.length > 0,
  start: drawGallery});
