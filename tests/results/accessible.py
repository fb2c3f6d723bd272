"""What axe-core says of a page, and where its text lacks contrast."""

import importlib.util
from pathlib import Path

import pytest

# The newest one that is installed; the first has no other dependency.
PACKAGES = ('axe_playwright_python', 'axe_core_python')
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, {resultTypes: ['violations']}).then((found) => done(
  found.violations.map((v) => [v.id, v.help, v.nodes.slice(0, 4).map(
    (n) => n.html.slice(0, 200) + ' :: ' + (n.any[0] || n.all[0]
      || n.none[0] || {message: ''}).message)])));
"""


def axe_script():
    """The script of axe-core (MPL-2.0), from an installed package."""
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            path = Path(spec.origin).with_name('axe.min.js')
            return path.read_text(encoding='utf-8')
    return pytest.skip('axe-core-python is not installed')


def violations(browser):
    """Rules of axe that the shown page breaks, with some of the places."""
    browser.execute_script(axe_script())
    return browser.execute_async_script(RUN)


CONTRAST = """
const least = 4.5;
const canvas = document.createElement('canvas').getContext('2d',
  {willReadFrequently: true});
function rgb(color) {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
}
function light([r, g, b]) {
  const [x, y, z] = [r, g, b].map((v) => {
    const part = v / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * x + 0.7152 * y + 0.0722 * z;
}
function over(top, below) {
  const a = top[3] / 255;
  return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a)).concat(255);
}
function behind(node) {
  const layers = [];
  for (let e = node; e; e = e.parentElement) {
    layers.push(rgb(getComputedStyle(e).backgroundColor));
    if (layers.at(-1)[3] === 255) break;
  }
  return layers.reverse().reduce((below, top) => over(top, below),
    rgb('Canvas'));
}
const seen = new Map();
const dialog = document.querySelector('dialog[open]') || document.body;
const walk = document.createTreeWalker(dialog, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const text = walk.currentNode.textContent.trim();
  const node = walk.currentNode.parentElement;
  if (!text || /SCRIPT|STYLE|NOSCRIPT|OPTION/.test(node.tagName)
    || !node.checkVisibility({opacityProperty: true})) continue;
  const style = getComputedStyle(node);
  const svg = node instanceof SVGElement;
  if (node.closest('defs, [opacity="0"], [display="none"]')) continue;
  if (node.closest('.halo_marks')) continue; // the edge of a label
  const ground = behind(node);
  const ink = over(rgb(svg ? style.fill : style.color), ground);
  const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
  if (ratio >= (large ? 3 : least)) continue;
  const key = `${node.tagName}.${node.className.baseVal ?? node.className}`;
  if (!seen.has(key)) {
    seen.set(key, [key, text.slice(0, 40), +ratio.toFixed(2),
      `rgb(${ink.slice(0, 3).map(Math.round)})`,
      `rgb(${ground.slice(0, 3).map(Math.round)})`]);
  }
}
return [...seen.values()];
"""


def low_contrast(browser):
    """Texts below AA (4.5; 3 for large ones), those of charts too."""
    return browser.execute_script(CONTRAST)
