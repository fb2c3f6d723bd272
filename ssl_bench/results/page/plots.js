/* Vega-Lite charts: specifications from Altair, rows from the page. A chart
   is drawn when it comes near the window, or before printing. */

/** Vega groups in plain objects: "constructor" would not be a new key. */
function asGroup(value) {
  const inherited = typeof value === 'string' && value in Object.prototype;
  return inherited ? `${value}\u00a0` : value;
}

const PLOTS = new Map(); // element to chart
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
const RULER = document.createElement('canvas').getContext('2d');

/** Pixels that a text takes in a chart. */
function textWidth(text, font = '11.5px') {
  RULER.font = `${font} ${FONT}`;
  return RULER.measureText(text).width;
}

/** The longest beginning of a text that fits; with a sign when it is cut. */
function cutText(text, room) {
  if (textWidth(text) <= room) return text;
  let [fits, fails] = [0, text.length];
  while (fails - fits > 1) {
    const middle = (fits + fails) >> 1;
    if (textWidth(`${text.slice(0, middle)}…`) <= room) fits = middle;
    else fails = middle;
  }
  return `${text.slice(0, fits).trimEnd()}…`;
}

/** A label on two lines at most, each not wider than room. */
function wrapLabel(text, room) {
  if (textWidth(text) <= room) return [text];
  const words = text.split(/(?<=[\s,_/·-])/u);
  let line = '';
  while (words.length && textWidth((line + words[0]).trimEnd()) <= room) {
    line += words.shift();
  }
  if (!line) return [cutText(text, room)];
  return [line.trimEnd(), cutText(words.join('').trim(), room)];
}

/** The lines of a chart: their keys, the rows of their labels, and the room
    that these take on the left. A line without a name has no label. */
function linesOf(names, width) {
  const room = Math.min(Math.max(...names.map((name) => textWidth(name))),
    Math.max(width * 0.4, 90));
  const keys = names.map((name, i) => `${i}`);
  const rows = names.flatMap((name, i) => {
    const lines = wrapLabel(name, room + 1);
    return name ? [{kind: 'name', key: keys[i], lines,
      dy: -6.5 * (lines.length - 1)}] : [];
  });
  return {keys, names: rows, left: Math.ceil(room) + 12};
}

/** A range with room at both ends that holds all numbers; never empty. */
function rangeOf(numbers, share = 0.06) {
  const known = numbers.filter((v) => Number.isFinite(v));
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const size = Math.max(high, -low);
  const spread = high - low > 1e-9 * size ? (high - low) * share
    : size * 0.02 || 1;
  return [low - spread, high + spread];
}

/** The form of an axis's numbers: with an exponent where they need one. */
function axisFormat([low, high]) {
  const size = Math.max(high, -low);
  const plain = size < 1e5 && size >= 1e-2;
  return plain || high - low < size * 1e-3 ? {} : {format: '.3~g'};
}

/** Put scales and axes of a drawing into every layer of its specification. */
function setChannels(spec, channels) {
  for (const [name, {title, scale, axis}] of Object.entries(channels)) {
    for (const {encoding} of spec.layer) {
      const own = encoding && encoding[name];
      if (!own || !('type' in own) || own.scale === null) continue;
      if (title !== undefined) own.title = title;
      own.scale = {...own.scale, ...scale};
      if (own.axis !== null) own.axis = {...own.axis, ...axis};
    }
  }
}

function specification(name, items, patch) {
  const spec = structuredClone(CHARTS[name]);
  const rows = items.map((item) => Object.fromEntries(
    Object.entries(item).map(([field, value]) => [field, asGroup(value)])));
  spec.datasets = {...spec.datasets, rows};
  if (patch) patch(spec);
  return spec;
}

/** Show a tooltip: Vega gives an object of texts, or nothing. */
function showTip(handler, event, item, value) {
  const tip = $('chart-tip') || el('div', {id: 'chart-tip'});
  document.body.append(tip);
  tip.hidden = !value;
  if (!value) return;
  tip.replaceChildren(...Object.entries(value).filter(
    ([, text]) => text !== '' && text !== 'null' && text !== 'undefined').map(
    ([name, text]) => el('div', {}, el('b', {}, name), ` ${text}`)));
  const {clientX, clientY} = event;
  const {offsetWidth, offsetHeight} = tip;
  tip.style.left = `${Math.max(4, Math.min(clientX + 12,
    innerWidth - offsetWidth - 8))}px`;
  tip.style.top = `${clientY + 14 + offsetHeight < innerHeight
    ? clientY + 14 : clientY - offsetHeight - 10}px`;
}

/** Draw into an element; gives Vega's view. The element has the role and the
    label: those that Vega gives its own would be read as well. */
async function render(node, spec) {
  const inner = el('div', {});
  node.replaceChildren(inner);
  const {view} = await window.vegaEmbed(inner, spec, {actions: false,
    renderer: 'svg', mode: 'vega-lite', logLevel: 1, tooltip: showTip,
    defaultStyle: false});
  for (const name of ['role', 'aria-roledescription', 'aria-label']) {
    inner.removeAttribute(name);
  }
  // its marks have no names; the figure has a label and a table
  inner.querySelector('svg').setAttribute('aria-hidden', 'true');
  return view;
}

/** Draw rows at once into a figure with a caption: a chart that fits its
    width, without a file and without a table of its own. */
function embed(node, name, items, patch) {
  const caption = node.querySelector('figcaption');
  const plot = el('div', {class: 'plot', role: 'img',
    'aria-label': `Chart: ${caption ? caption.textContent : name}`});
  node.append(plot);
  return render(plot, specification(name, items, patch)).then(() => {
    plot.dataset.drawn = 'yes';
  }).catch((error) => {
    plot.textContent = `This chart could not be drawn: ${error.message}`;
    throw error;
  });
}

/** Put the title of the x axis at its right end, on two lines if it is long.
    Gives the number of its lines. */
function setTitle(spec, room) {
  let lines = 1;
  for (const {encoding} of spec.layer) {
    const x = encoding && encoding.x;
    if (!x || !x.title) continue;
    const turned = x.scale && x.scale.reverse;
    x.axis = {...x.axis, titleAlign: 'right',
      titleAnchor: turned ? 'start' : 'end'};
    x.title = wrapLabel(x.title, room);
    lines = x.title.length;
  }
  return lines;
}

/** Draw a chart in the width that it has now. */
async function drawPlot(node) {
  const plot = PLOTS.get(node);
  const width = node.clientWidth;
  if (!plot || !width) return; // not shown
  plot.width = width;
  plot.asked = true;
  const drawn = plot.chart.draw(width);
  const {left = 0, right = 16, top = 6, bottom = 44} = drawn;
  const spec = specification(plot.chart.spec, drawn.rows, (made) => {
    made.width = Math.max(width - left - right, 20);
    made.height = plot.chart.height - top - bottom;
    setChannels(made, drawn.channels);
    const more = 13 * (setTitle(made, width - right) - 1);
    made.padding = {left, right, top, bottom: bottom + more};
    made.autosize = {type: 'none'};
  });
  if (plot.view) plot.view.finalize();
  try {
    plot.view = await render(node, spec);
    node.dataset.drawn = 'yes';
  } catch (error) {
    node.textContent = `This chart could not be drawn: ${error.message}`;
    throw error;
  }
}

/** Forget charts that left the page. */
function dropPlots() {
  for (const [node, {view}] of PLOTS) {
    if (node.isConnected) continue;
    if (view) view.finalize();
    NEAR.unobserve(node);
    PLOTS.delete(node);
  }
}

const NEAR = new IntersectionObserver((entries) => {
  dropPlots();
  for (const {target, isIntersecting} of entries) {
    const plot = PLOTS.get(target);
    if (!plot) continue;
    if (isIntersecting) {
      NEAR.unobserve(target);
      WIDTHS.observe(target);
    }
    const drawing = isIntersecting && !plot.asked ? drawPlot(target) : null;
    plot.settle(drawing);
  }
}, {rootMargin: '400px'});

const WIDTHS = new ResizeObserver((entries) => {
  for (const {target} of entries) {
    const plot = PLOTS.get(target);
    if (!plot || Math.abs(plot.width - target.clientWidth) < 2) continue;
    clearTimeout(plot.timer);
    plot.timer = setTimeout(() => drawPlot(target), 100);
  }
});

window.addEventListener('beforeprint', () => {
  dropPlots();
  for (const [node, plot] of PLOTS) if (!plot.asked) drawPlot(node);
});

/** Put a chart into a figure, with its table and buttons to save it.

    chart: spec, the name of its specification; title and axis, texts; label,
    for who does not see it; height in pixels; file, its name without an
    ending; table(), heads and lines of texts; draw(width), the rows, the
    margins (left, right, top, bottom) and channels ({x: {title, scale,
    axis}}) of a drawing. Resolves when it is drawn, or out of sight. */
function addChart(figure, chart) {
  const node = el('div', {class: 'plot', role: 'img',
    'aria-label': chart.label, style: `min-height: ${chart.height}px`});
  figure.append(node, chartFoot(node, chart));
  return new Promise((resolve) => {
    PLOTS.set(node, {chart, settle: resolve, asked: false, view: null});
    NEAR.observe(node);
  });
}

/** A method's mean as the rows of several charts have it. */
function meanRow(row, key, name) {
  const [lo, hi] = row.interval || [null, null];
  return {key, name, kind: row.values.length > 1 ? 'mean' : 'single',
    mean: row.mean, lo, hi, color: colorOf(row.name),
    mean_text: row.text.mean, interval_text: row.text.interval,
    standing: row.text.standing};
}
