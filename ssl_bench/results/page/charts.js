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

function drawBars() {
  return DATA.tasks.filter((task) => task.main).map((task) => {
    const rows = mainRows(task);
    const names = labels(rows);
    const metric = task.metrics.find((m) => m.id === task.main);
    const figure = el('figure', {class: 'card'}, el('figcaption', {},
      el('h3', {}, task.title), el('small', {}, directed(metric))));
    $('bars').append(figure);
    const most = Math.max(...rows.map((r) => Math.max(
      r.mean, r.published.length ? r.published[0].value : 0)));
    return embed(figure, 'bars', rows.map((row, i) => {
      const item = chartRow(row, names[i]);
      const edge = Math.max(item.mean, item.published || 0, item.hi || 0);
      return {...item, edge: Math.min(edge, most * 1.15)};
    }), (spec) => {
      spec.layer[0].encoding.x.scale = {domain: [0, most * 1.3 || 1]};
    });
  });
}

/** Methods that are not apart have a common letter: a bar of each letter. */
function groupBars(table, names, right) {
  const letters = [...new Set(table.methods.flatMap(
    (rank) => rank.letters.match(/[a-z]\d*/g)))];
  return letters.map((letter, i) => {
    const own = names.filter((name, j) =>
      table.methods[j].letters.match(/[a-z]\d*/g).includes(letter));
    return {kind: 'group', name: own[0], last: own.at(-1),
      rank: right + 0.3 * (i + 1), text: `group ${letter}`};
  });
}

function rankRows(table) {
  const names = labels(table.methods.map((rank) => ({...rank,
    label: rank.name, backbone: table.backbone, pretrain_data: rank.data,
    pretrain_epochs: rank.epochs})));
  const count = table.methods.length;
  const rows = table.methods.flatMap((rank, i) => [
    {name: names[i], kind: 'average', rank: rank.average, text: rank.text,
      lo: rank.interval[0], hi: rank.interval[1],
      interval_text: rank.interval_text, color: colorOf(rank.name)},
    ...rank.ranks.map((item) => ({name: names[i], kind: 'rank',
      rank: item.rank, text: item.text, task: item.task})),
  ]);
  if (table.critical !== null) {
    rows.push({name: 'critical difference', kind: 'critical', rank: 1,
      hi: 1 + table.critical, text: table.critical_text});
  }
  return [...rows, ...groupBars(table, names, count)];
}

function drawRanks() {
  return DATA.ranks.map((table) => {
    const count = table.methods.length;
    const rows = rankRows(table);
    const groups = rows.filter((row) => row.kind === 'group').length;
    const figure = el('figure', {class: 'card chart'}, el('figcaption', {},
      el('h3', {}, table.backbone), el('small', {}, table.tasks.join(', '))));
    $('rank-charts').append(figure);
    const drawn = embed(figure, 'ranks', rows, (spec) => {
      const {x} = spec.layer[0].encoding;
      x.scale.domain = [0.8, count + 0.3 * (groups + 1)];
      x.axis.values = Array.from({length: count}, (_, i) => i + 1);
    });
    figure.append(el('p', {class: 'note'}, table.note),
      ...table.left_out.map((text) => el('p', {class: 'note'},
        `Not ranked: ${text}.`)));
    return drawn;
  });
}

const COSTS = {hours: 'GPU hours of the run', images: 'training images seen',
  epochs: 'pretraining epochs'};

function costTasks() {
  return DATA.tasks.filter((task) => task.main && mainRows(task).filter(
    (row) => Object.keys(row.cost).length).length > 1);
}

function drawCost() {
  const task = TASKS.get($('cost-task').value);
  const x = $('cost-x').value;
  const rows = mainRows(task).filter((row) => row.cost[x]);
  const names = labels(rows);
  const costs = rows.map((row) => row.cost[x].value);
  const wide = Math.max(...costs) / Math.min(...costs) > 8;
  const metric = task.metrics.find((m) => m.id === task.main);
  $('cost-chart').replaceChildren();
  if (!rows.length) {
    $('cost-chart').append('No run of this task recorded it.');
    return [];
  }
  return [embed($('cost-chart'), wide ? 'costLog' : 'cost', rows.map(
    (row, i) => ({...chartRow(row, names[i]), cost: row.cost[x].value,
      cost_text: row.cost[x].text})),
  (spec) => {
    for (const layer of spec.layer) {
      layer.encoding.x.title = COSTS[x];
      layer.encoding.y.title = directed(metric);
    }
  })];
}

function drawCurves() {
  const group = $('curve-group').value;
  const curves = DATA.curves.filter((curve) => curve.group === group);
  const names = [...new Set(curves.map((curve) => curve.name))];
  $('curve-keys').replaceChildren(...names.map((name) => el('span', {
    style: `--key: ${colorOf(name)}`}, name)));
  $('curve-chart').replaceChildren();
  return [embed($('curve-chart'), 'curves', curves.flatMap((curve) =>
    curve.points.map(([step, loss]) => ({name: curve.name, run: curve.run,
      step, loss, color: colorOf(curve.name)}))))];
}

function startCharts() {
  const drawn = [];
  drawn.push(...drawBars());
  drawn.push(...drawRanks());
  const tasks = costTasks();
  if (tasks.length) {
    fill($('cost-task'), tasks.map((t) => [t.id, t.title]), tasks[0].id);
    const known = Object.keys(COSTS).filter((x) => DATA.rows.some(
      (row) => row.cost[x]));
    fill($('cost-x'), known.map((x) => [x, COSTS[x]]), known[0]);
    $('cost-task').addEventListener('change', drawCost);
    $('cost-x').addEventListener('change', drawCost);
    drawn.push(...drawCost());
  }
  if (DATA.curves.length) {
    const groups = [...new Set(DATA.curves.map((c) => c.group))];
    fill($('curve-group'), groups.map((group) => [group,
      TASKS.has(group) ? TASKS.get(group).title : group]), groups[0]);
    $('curve-group').addEventListener('change', drawCurves);
    drawn.push(...drawCurves());
  }
  return Promise.all(drawn);
}
