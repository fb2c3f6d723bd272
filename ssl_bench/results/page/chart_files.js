/* A chart as a table, and as a file. */

/** The table of a chart; built when it is opened. */
function chartTable({title, table}) {
  const {heads, lines} = table();
  return el('div', {class: 'scroll', tabindex: '0', role: 'region',
    'aria-label': `Table of the chart: ${title}`}, el('table', {},
    el('thead', {}, el('tr', {}, heads.map(
      (text) => el('th', {scope: 'col'}, text)))),
    el('tbody', {}, lines.map((line) => el('tr', {}, line.map(
      (text, i) => (i ? el('td', {}, text)
        : el('th', {scope: 'row'}, text))))))));
}

/** Below a chart: its table, and buttons that save it. */
function chartFoot(node, chart) {
  const details = el('details', {}, el('summary', {}, 'As a table'));
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) {
      details.append(chartTable(chart));
    }
  });
  const save = (kind, write) => el('button', {type: 'button', class: 'quiet',
    'aria-label': `Save ${chart.title} as ${kind}`, onclick: () => write(
      node, chart)}, kind);
  return el('div', {class: 'chart-foot'}, details,
    el('span', {class: 'savers'}, save('SVG', saveSvg), save('PNG', savePng)));
}

/** A drawn chart as text of SVG: its colours as they are seen now. */
function svgText(node, chart) {
  const drawn = node.querySelector('svg');
  const [width, height] = ['width', 'height'].map(
    (name) => Number(drawn.getAttribute(name)));
  const space = 'http://www.w3.org/2000/svg';
  const make = (tag, attributes, text = '') => {
    const part = document.createElementNS(space, tag);
    for (const [name, value] of Object.entries(attributes)) {
      part.setAttribute(name, value);
    }
    part.textContent = text;
    return part;
  };
  const above = 46;
  const copy = drawn.cloneNode(true);
  copy.setAttribute('y', above);
  const all = make('svg', {width, height: height + above,
    viewBox: `0 0 ${width} ${height + above}`, 'font-family': FONT});
  all.append(make('rect', {width: '100%', height: '100%',
    fill: 'var(--card)'}),
  make('text', {x: 8, y: 20, 'font-size': 14, 'font-weight': 'bold',
    fill: 'var(--ink)'}, cutText(chart.title, (width - 16) / 1.3)),
  make('text', {x: 8, y: 37, 'font-size': 11.5, fill: 'var(--muted)'},
    cutText(chart.axis || '', width - 16)), copy);
  const style = getComputedStyle(document.documentElement);
  return new XMLSerializer().serializeToString(all).replace(
    /var\((--[\w-]+)\)/g,
    (found, name) => style.getPropertyValue(name).trim());
}

/** A name that every file system takes. */
function fileName(chart, ending) {
  const plain = chart.file.replace(/[^A-Za-z0-9._+-]+/g, '_').slice(0, 80);
  return `${plain || 'chart'}.${ending}`;
}

async function saveSvg(node, chart) {
  if (!node.dataset.drawn) await drawPlot(node);
  saveFile(new Blob([svgText(node, chart)], {type: 'image/svg+xml'}),
    fileName(chart, 'svg'));
}

/** As SVG, painted with two pixels for one. */
async function savePng(node, chart) {
  if (!node.dataset.drawn) await drawPlot(node);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${
    encodeURIComponent(svgText(node, chart))}`;
  await image.decode();
  const canvas = el('canvas', {width: image.width * 2,
    height: image.height * 2});
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => saveFile(blob, fileName(chart, 'png')));
}
