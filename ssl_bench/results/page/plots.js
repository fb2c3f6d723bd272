/* Vega-Lite charts: specifications from Altair, rows from the page. */

/** Vega groups in plain objects: "constructor" would not be a new key. */
function asGroup(value) {
  const inherited = typeof value === 'string' && value in Object.prototype;
  return inherited ? `${value}\u00a0` : value;
}

function embed(node, name, items, patch) {
  const spec = structuredClone(CHARTS[name]);
  if (patch) patch(spec);
  const rows = items.map((item) => Object.fromEntries(
    Object.entries(item).map(([field, value]) => [field, asGroup(value)])));
  spec.datasets = {rows};
  const {step} = spec.usermeta;
  if (step) spec.height = step * new Set(rows.map((row) => row.name)).size;
  const plot = el('div', {class: 'plot'});
  node.append(plot);
  return window.vegaEmbed(plot, spec, {
    actions: false, renderer: 'svg', mode: 'vega-lite', logLevel: 1,
  }).catch((error) => {
    plot.textContent = `This chart could not be drawn: ${error.message}`;
    throw error;
  });
}

/** Rows of a task in its main metric, best first. */
function mainRows(task) {
  return DATA.rows.filter((row) => row.task === task.id
    && row.metric === task.main && isMeasured(row));
}

function chartRow(row, name) {
  const interval = row.interval || [null, null];
  const item = row.published[0] || {value: null, text: ''};
  return {name, mean: row.mean, lo: interval[0], hi: interval[1],
    n: row.values.length, control: row.control, color: colorOf(row.name),
    published: item.value, mean_text: row.text.mean,
    interval_text: row.text.interval, published_text: item.text};
}
