/* Files that a reader saves from the page. */
function saveFile(blob, name) {
  const url = URL.createObjectURL(blob);
  el('a', {href: url, download: name}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function saveText(text, type, name) {
  saveFile(new Blob([text], {type}), name);
}

/** A text as Markdown or LaTeX shows it, by the tables of markup.py. */
const escaped = (() => {
  const tables = new Map(Object.entries(DATA.escapes).map(
    ([name, table]) => [name, new Map(Object.entries(table))]));
  return (text, name) => [...text.trim().replace(/\s+/g, ' ')].map(
    (c) => tables.get(name).get(c) ?? c).join('');
})();

/** heads: {text, number}; body: rows of {text, bold}. */
function markdownTable(heads, body) {
  const bold = (cell) => (cell.bold
    ? `**${escaped(cell.text, 'markdown')}**`
    : escaped(cell.text, 'markdown'));
  const line = (cells) => `| ${cells.join(' | ')} |\n`;
  return line(heads.map(bold)) + line(heads.map(
    (head) => (head.number ? '--:' : ':--')))
    + body.map((cells) => line(cells.map(bold))).join('');
}

/** A table; one that is longer than a page breaks (longtable). */
function latexTable(heads, body, caption) {
  const long = body.length > 40;
  const bold = (cell) => (cell.bold
    ? `\\textbf{${escaped(cell.text, 'latex')}}`
    : escaped(cell.text, 'latex'));
  const line = (cells) => `${cells.map(bold).join(' & ')} \\\\\n`;
  const columns = heads.map((head) => (head.number ? 'r' : 'l')).join('');
  const title = `\\caption{${escaped(caption, 'latex')}}`
    + '\\label{tab:numbers}';
  const top = `\\toprule\n${line(heads)}\\midrule\n`;
  const rows = body.map(line).join('');
  if (long) {
    return '% needs \\usepackage{booktabs,longtable}\n'
      + `\\begin{longtable}{${columns}}\n${title} \\\\\n${top}`
      + `\\endfirsthead\n${top}\\endhead\n${rows}\\bottomrule\n`
      + '\\end{longtable}\n';
  }
  return '% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n'
    + `${title}\n\\begin{tabular}{${columns}}\n${top}${rows}`
    + '\\bottomrule\n\\end{tabular}\n\\end{table}\n';
}
