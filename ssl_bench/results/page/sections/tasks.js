/* One chart for each task. */
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

section('by-task', {start: drawBars});
