/* The panel with the origin of one number. */
function facts(pairs) {
  const shown = pairs.filter(([, value]) =>
    value !== null && value !== undefined && value !== '');
  return el('dl', {}, shown.map(([name, value]) => [
    el('dt', {}, name), el('dd', {}, value instanceof Node
      ? value : String(value))]));
}

const code = (text) => (text ? el('code', {}, text) : null);

function summary(row) {
  const metric = metricOf(row);
  return facts([
    ['Method', row.name], ['Pretraining', pretraining(row)],
    ['Task', `${TASKS.get(row.task).title} (${row.task})`],
    ['Metric', directed(metric)],
    ['Protocol', row.protocol], ['Recipe', row.recipe],
    ['Trained', row.trained],
    ['Departures', row.departures.join('; ')],
    ['Seeds', row.values.map((v) => `${v.seed}: ${v.text}`).join(', ')],
    ['95% interval', row.text.interval],
    ['Place', row.text.standing],
    ['Best mean', row.text.leader], ['Test', row.text.leader_test],
    [`Against ${DATA.baseline}`, row.text.difference],
    ['Test', row.text.difference_test],
    ['Cost', row.text.cost],
  ]);
}

function printedBlock(row) {
  const metric = metricOf(row);
  const blocks = row.published.map((item, i) => {
    const verdict = i === 0 && row.verdict ? el('span', {
      class: row.text.style}, ` ${row.text.delta}, ${row.verdict}`
        + ` (tolerance ${metric.tolerance})`) : null;
    const safe = /^https?:\/\//.test(item.url);
    return el('div', {class: 'printed'},
      el('b', {}, item.text), ` in ${item.reported_in}`, verdict,
      el('p', {}, item.source, item.verified ? ''
        : ' (not checked in its source)'),
      item.notes ? el('p', {}, item.notes) : null,
      safe ? el('p', {}, el('a', {href: item.url, rel: 'noopener'},
        item.url)) : null);
  });
  return blocks.length ? [el('h3', {}, 'Printed'), ...blocks] : [];
}

function runBlock(run, open) {
  const versions = Object.entries(run.versions).map(
    ([name, version]) => `${name} ${version}`).join(', ');
  const device = [run.hardware.device, run.hardware.world_size
    && `${run.hardware.world_size} process(es)`].filter(Boolean).join(', ');
  const data = [run.data.name, run.data.images
    && `${run.data.images} images`].filter(Boolean).join(', ');
  return el('details', {open}, el('summary', {}, `Seed ${run.seed}`), facts([
    ['Run', code(run.run_id)], ['Record', code(run.path)],
    ['Checkpoint', code(run.pretrain.checkpoint_sha256)],
    ['Pretrained', `${run.pretrain.source}`
      + (run.pretrain.batch ? `, batch ${run.pretrain.batch}` : '')],
    ['Pretrain config', code(run.pretrain.config)],
    ['Task config', code(run.config_sha256)],
    ['Parameters', run.parameters && `${run.trained_parameters}`
      + ` of ${run.parameters} trained`],
    ['Code', run.code_version], ['Versions', versions],
    ['Hardware', device], ['Cost', run.cost_text], ['Data', data],
    ['Fingerprint', code(run.data.fingerprint)],
    ['Time', `${run.started} to ${run.finished}`],
    ['Departures', (run.departures || []).join('; ')],
    ['Pretraining departs', (run.pretrain.departures || []).join('; ')],
    ['Given by hand', (run.pretrain.given || []).join(', ')],
    ['Corrected', (run.corrections || []).map((entry) =>
      `${Object.entries(entry.meta).map((pair) => pair.join('=')).join(', ')}`
      + ` by ${entry.by}, ${entry.when}: ${entry.why}`).join('; ')],
    ['Changes', (run.changes || []).join('; ')], ['Notes', run.notes],
    ['Digest', run.record_sha256 ? code(run.record_sha256)
      : 'none: not written by ssl_bench'],
  ]));
}

/** Open the panel of a row; its address is that of the open panel. */
function openPanel(row) {
  STATE.set('cell', row.key, '', true);
  if (!$('panel').open) showCell();
}

/** Open or close the panel as the address says. */
function showCell() {
  const key = STATE.get('cell');
  if (!key) {
    if ($('panel').open) $('panel').close();
    return;
  }
  const row = DATA.rows.find((other) => other.key === key);
  $('panel').replaceChildren(...(row ? rowBlocks(row) : [
    panelHead('Not on this page'), el('p', {},
      'The number that the address names is not on this page.')]));
  if (!$('panel').open) $('panel').showModal();
  $('panel').scrollTop = 0;
}

function panelHead(title) {
  return el('div', {class: 'head'}, el('h2', {id: 'panel-title'}, title),
    el('button', {type: 'button', onclick: () => $('panel').close()},
      'Close'));
}

function rowBlocks(row) {
  const value = isMeasured(row)
    ? [row.text.mean, el('small', {}, row.std === null
      ? ' one seed' : ` ± ${row.text.std}, ${row.values.length} seeds`)]
    : [row.published[0].text, el('small', {}, ' printed')];
  const runs = row.runs.map((i) => DATA.runs[i]);
  return [panelHead(`${row.label}: ${metricOf(row).title}`),
    el('p', {class: 'big'}, ...value), summary(row), ...printedBlock(row),
    ...(runs.length ? [el('h3', {}, 'Runs')] : []),
    ...runs.map((run, i) => runBlock(run, i === 0))];
}

STATE.on('cell', showCell);
$('panel').addEventListener('close', () => {
  if (!$('panel').open) STATE.set('cell', '');
});

for (const dialog of [$('panel'), $('viewer')]) {
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();
  });
}
