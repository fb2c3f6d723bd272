/* Quality against what it cost. */
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

function startCost() {
  const tasks = costTasks();
  fill($('cost-task'), tasks.map((t) => [t.id, t.title]), tasks[0].id);
  const known = Object.keys(COSTS).filter((x) => DATA.rows.some(
    (row) => row.cost[x]));
  fill($('cost-x'), known.map((x) => [x, COSTS[x]]), known[0]);
  $('cost-task').addEventListener('change', drawCost);
  $('cost-x').addEventListener('change', drawCost);
  return drawCost();
}

section('cost', {shown: () => costTasks().length > 0, start: startCost});
