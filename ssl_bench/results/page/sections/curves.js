/* Training curves: one facet for each method, one line for each run. */
const CURVES = (() => {
  const FACETS = 12; // before a click on "more"
  const MEANS = ['5', '15', '45'];
  const ENDS = ['first', 'last', 'lowest', 'highest'];
  const rowOf = new Map();
  let all = false; // facets

  /** Facets of a group: a title, the method's name, its curves. */
  function facets(curves) {
    const found = new Map();
    for (const curve of curves) {
      const key = `${curve.method}\n${curve.label}`;
      if (!found.has(key)) found.set(key, []);
      found.get(key).push(curve);
    }
    const members = [...found.values()];
    const titles = labels(members.map(([curve]) => {
      const row = rowOf.get(curve.method) || {};
      return {name: curve.name, label: curve.label, backbone: row.backbone,
        pretrain_data: row.pretrain_data,
        pretrain_epochs: row.pretrain_epochs};
    }));
    return members.map((own, i) => (
      {title: titles[i], name: own[0].name, curves: own}));
  }

  /** Numbers of a curve that an axis can show. */
  function points(curve, value, log) {
    return (curve.values[value] || []).flatMap((number, i) =>
      (number === null || (log && number <= 0) ? []
        : [[curve.steps[i], number]]));
  }

  /** The lowest and the highest of some numbers, null for none. */
  function extent(numbers) {
    let [low, high] = [Infinity, -Infinity];
    for (const number of numbers) {
      low = Math.min(low, number);
      high = Math.max(high, number);
    }
    return low <= high ? [low, high] : null;
  }

  function draw(facet, choice, axes) {
    const {value, log, mean} = choice;
    const items = facet.curves.flatMap((curve) =>
      points(curve, value, log).map(([step, number]) => ({
        run: curve.run, seed: curve.seed, step, value: number,
        color: colorOf(facet.name)})));
    const count = facet.curves.length;
    const figure = el('figure', {class: 'card chart',
      style: `--key: ${colorOf(facet.name)}`}, el('figcaption', {},
      facet.title, ' ', el('span', {}, count > 1 ? `${count} runs` : '')));
    $('curve-facets').append(figure);
    if (!items.length) {
      figure.append(el('p', {class: 'note'}, log
        ? 'Nothing above zero, which a logarithmic axis needs.'
        : 'Not logged.'));
      return null;
    }
    return embed(figure, 'curves', items, (spec) => {
      const [logged, smooth] = spec.layer;
      const scale = log ? {type: 'log'} : {zero: false};
      if (axes.value) Object.assign(scale, {domain: axes.value});
      for (const layer of spec.layer) {
        layer.encoding.y.scale = scale;
        layer.encoding.x.scale = {domain: axes.step, nice: false};
      }
      logged.encoding.y.title = choice.title;
      smooth.encoding.y.title = choice.title;
      if (mean === 'none') spec.layer.pop();
      else {
        const half = (Number(mean) - 1) / 2;
        smooth.transform[0].frame = [-half, half];
        logged.mark.opacity = 0.25;
      }
    });
  }

  /** What the lines are, in words. */
  function note(choice, curves, shared) {
    const most = Math.max(1, ...curves.map((curve) => curve.lines));
    const hidden = choice.log ? curves.filter((curve) =>
      (curve.values[choice.value] || []).some((n) => n !== null && n <= 0))
      .length : 0;
    return [
      'One facet for each method, one line for each run.',
      choice.mean === 'none' ? ''
        : `Strong lines: moving mean of ${choice.mean} points around each; `
          + 'pale lines: as logged.',
      most > 1 ? `A point is a mean of up to ${most} lines of the log.` : '',
      shared ? 'All facets have the same axes.'
        : 'Losses of different methods have no common scale: each facet has '
          + 'its own vertical axis.',
      hidden ? `${hidden} of the curves have numbers of zero or below, which `
        + 'a logarithmic axis leaves out.' : '',
    ].filter(Boolean).join(' ');
  }

  function table(groups, value) {
    const rows = groups.flatMap((facet) => facet.curves
      .filter((curve) => curve.texts[value])
      .map((curve) => [facet.title, curve.seed === null ? '' : curve.seed,
        curve.steps[curve.steps.length - 1],
        ...ENDS.map((end) => curve.texts[value][end]), curve.run]));
    const heads = ['Method', 'Seed', 'Iterations', 'First', 'Last', 'Lowest',
      'Highest', 'Folder'];
    return el('table', {}, el('thead', {}, el('tr', {}, heads.map((head) =>
      el('th', {scope: 'col'}, head)))), el('tbody', {}, rows.map((row) =>
      el('tr', {}, row.map((text, i) => el(i ? 'td' : 'th',
        {scope: i ? null : 'row'}, String(text)))))));
  }

  /** Fit the choices to the runs; what the address says and is not there
      becomes the default. */
  function choose() {
    const groups = [...new Set(DATA.curves.map((curve) => curve.group))];
    const asked = STATE.get('curve_group', groups[0]);
    const group = groups.includes(asked) ? asked : groups[0];
    fill($('curve-group'), groups.map((id) => [id, groupTitle(id)]), group);
    const curves = DATA.curves.filter((curve) => curve.group === group);
    const values = DATA.curve_values.filter(({id}) =>
      curves.some((curve) => curve.values[id]));
    const value = values.find(({id}) => id === STATE.get('curve_value'))
      || values[0];
    fill($('curve-value'), values.map(({id, title}) => [id, title]),
      value.id);
    const wanted = STATE.get('curve_smooth', 'none');
    const mean = MEANS.includes(wanted) ? wanted : 'none';
    fill($('curve-smooth'), [['none', 'none'], ...MEANS.map((count) =>
      [count, `mean of ${count} points`])], mean);
    const log = STATE.get('curve_log') === 'yes';
    $('curve-log').checked = log;
    return {group, curves, value: value.id, title: value.title, log, mean};
  }

  function groupTitle(id) {
    if (id === 'pretraining') return 'Pretraining';
    if (id === 'other') return 'Other runs';
    return TASKS.has(id) ? TASKS.get(id).title : id;
  }

  function redraw() {
    const choice = choose();
    const {curves, value, log} = choice;
    const shared = !(choice.group === 'pretraining' && value === 'loss');
    const drawn = curves.map((curve) => points(curve, value, log));
    const numbers = drawn.flatMap((own) => own.map(([, number]) => number));
    const axes = {value: shared ? extent(numbers) : null,
      step: extent(curves.flatMap((curve) => curve.steps))};
    const groups = facets(curves);
    const shown = all ? groups : groups.slice(0, FACETS);
    $('curve-note').textContent = note(choice, curves, shared);
    $('curve-facets').replaceChildren();
    $('curve-more').hidden = shown.length === groups.length;
    $('curve-more').textContent = `Show all ${groups.length} methods`;
    $('curve-table').replaceChildren(table(groups, value));
    return shown.map((facet) => draw(facet, choice, axes));
  }

  function start() {
    for (const row of DATA.rows) {
      if (!rowOf.has(row.id)) rowOf.set(row.id, row);
    }
    const normal = {group: DATA.curves[0].group, value: 'loss',
      smooth: 'none'};
    for (const [name, value] of Object.entries(normal)) {
      const select = $(`curve-${name}`);
      select.addEventListener('change', () =>
        STATE.set(`curve_${name}`, select.value, value));
      STATE.on(`curve_${name}`, redraw);
    }
    $('curve-log').addEventListener('change', (event) =>
      STATE.set('curve_log', event.target.checked ? 'yes' : '', ''));
    STATE.on('curve_log', redraw);
    $('curve-more').addEventListener('click', () => {
      all = true;
      redraw();
    });
    return redraw();
  }

  return {start, facets};
})();

section('curves', {shown: () => DATA.curves.length > 0,
  start: CURVES.start});
