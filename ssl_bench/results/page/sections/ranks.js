/* Average ranks, one chart for each backbone. */
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

section('ranks', {shown: () => DATA.ranks.length > 0, start: drawRanks});
