/* Training curves. */
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

function startCurves() {
  const groups = [...new Set(DATA.curves.map((c) => c.group))];
  fill($('curve-group'), groups.map((group) => [group,
    TASKS.has(group) ? TASKS.get(group).title : group]), groups[0]);
  $('curve-group').addEventListener('change', drawCurves);
  return drawCurves();
}

section('curves', {shown: () => DATA.curves.length > 0, start: startCurves});
