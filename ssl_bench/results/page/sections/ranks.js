/* Average ranks, one chart for each backbone. */

/** Letters of a method; those with a common one are not apart. */
const lettersOf = (rank) => rank.letters.match(/[a-z]\d*/g);

/** Methods that are not apart: a bar of each letter. */
function groupBars(table, keys) {
  const letters = [...new Set(table.methods.flatMap(lettersOf))];
  return letters.map((letter, i) => {
    const own = keys.filter((key, j) => j < table.methods.length
      && lettersOf(table.methods[j]).includes(letter));
    return {kind: 'group', key: own[0], last: own.at(-1),
      rank: table.methods.length + 0.35 * (i + 1), letter,
      text: `group ${letter}`};
  });
}

function rankNames(table) {
  return labels(table.methods.map((rank) => ({...rank,
    label: rank.name, backbone: table.backbone, pretrain_data: rank.data,
    pretrain_epochs: rank.epochs})));
}

function rankRows(table, names, keys) {
  const rows = table.methods.flatMap((rank, i) => [
    {name: names[i], key: keys[i], kind: 'average', rank: rank.average,
      text: rank.text, lo: rank.interval[0], hi: rank.interval[1],
      interval_text: rank.interval_text, color: colorOf(plainName(rank))},
    ...rank.ranks.map((item) => ({name: names[i], key: keys[i], kind: 'rank',
      rank: item.rank, text: item.text, task: item.task})),
  ]);
  if (table.critical !== null) {
    rows.push({key: keys.at(-1), kind: 'critical', rank: 1,
      hi: 1 + table.critical, text: table.critical_text});
  }
  return [...rows, ...groupBars(table, keys)];
}

/** The lines of a table's chart: its methods, then the critical difference. */
function rankLines(table, names) {
  return table.critical === null ? names
    : [...names, `critical difference ${table.critical_text}`];
}

function drawRank(table, names, width) {
  const {keys, names: shown, left} = linesOf(
    rankLines(table, names), width);
  const rows = rankRows(table, names, keys);
  const count = table.methods.length;
  const bars = rows.filter((row) => row.kind === 'group').length;
  const last = count + 0.35 * (bars + 1);
  const room = width - left - 26;
  const every = Math.max(1, Math.ceil(18 * last / room));
  const values = Array.from({length: count}, (_, i) => i + 1).filter(
    (v) => (v - 1) % every === 0);
  return {rows: [...shown, ...rows], left, right: 26, channels: {
    x: {scale: {domain: [1 - Math.max(0.2, 0.02 * count), last]},
      axis: {values}},
    y: {scale: {domain: keys}}}};
}

function rankTable(table, names) {
  const tasks = table.methods[0].ranks.map((item) => item.task);
  return {heads: ['Method', 'Average rank', '95% interval', 'Group',
    ...tasks],
  lines: table.methods.map((rank, i) => [names[i], rank.text,
    rank.interval_text, rank.letters,
    ...rank.ranks.map((item) => item.text)])};
}

function drawRanks() {
  return DATA.ranks.map((table) => {
    const names = rankNames(table);
    const title = `Average rank, ${table.backbone}`;
    const tasks = table.tasks.join(', ');
    const figure = el('figure', {class: 'card chart'}, el('figcaption', {},
      el('h3', {}, table.backbone), el('small', {}, tasks)));
    $('rank-charts').append(figure);
    const drawn = addChart(figure, {spec: 'ranks', title, axis: tasks,
      file: `ranks_${table.backbone}`,
      height: 28 * rankLines(table, names).length + 52,
      label: `${title}. ${table.methods.map((rank, i) =>
        `${names[i]} ${rank.text}`).join(', ')}`,
      table: () => rankTable(table, names),
      draw: (width) => drawRank(table, names, width)});
    figure.append(el('p', {class: 'note'}, table.note),
      ...table.left_out.map((text) => el('p', {class: 'note'},
        `Not ranked: ${text}.`)));
    return drawn;
  });
}

section('ranks', {shown: () => DATA.ranks.length > 0, start: drawRanks});
