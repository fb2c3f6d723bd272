"""What the site has beyond the pages in docs/: files that these link to.

A link that leaves docs/ works on a repository host as it is. For the site,
the file that it names becomes a page of its own.
"""

import json
import logging
import posixpath
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
LOG = logging.getLogger('mkdocs.hooks.ssl_bench')
# files that have a place in the navigation
PLACED = {
    'CHANGELOG.md': 'changelog.md',
    'CONTRIBUTING.md': 'contributing.md',
    'README.md': 'readme.md',
}
# the target of ](target), src="target" and href="target", without anchor
LINK = re.compile(r'(?<=\]\()[^()#\s]+|(?<= src=")[^"#]+|(?<= href=")[^"#]+')
FENCE = re.compile(r'^( *)(```+|~~~+).*?^\1\2 *$', re.M | re.S)
LANGUAGES = {'.py': 'python', '.sh': 'bash', '.yaml': 'yaml', '.csv': 'text'}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file outside docs/ that a page links to."""
    waiting = [*PLACED]
    for file in files.documentation_pages():
        waiting += _outside(file.content_string, f'docs/{file.src_uri}')
    for file in [*files]:
        if file.src_uri.endswith('.ipynb'):
            text = notebook_page(json.loads(file.content_string))
            waiting += _outside(text, f'docs/{file.src_uri}')
            uri = page_of(f'docs/{file.src_uri}')
            text = with_links(text, f'docs/{file.src_uri}', uri)
            files.append(File.generated(config, uri, content=text))
    done = set()
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        text = (ROOT / name).read_text(encoding='utf-8')
        uri = page_of(name)
        if name.endswith('.md'):
            waiting += _outside(text, name)
            text = with_links(text, name, uri)
        else:
            language = LANGUAGES.get(Path(name).suffix, 'text')
            text = f'# {name}\n\n~~~~{language}\n{text.rstrip()}\n~~~~\n'
        files.append(File.generated(config, uri, content=text))
    return files


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Links that leave docs/, of a page in docs/, lead to pages instead."""
    if page.file.generated_by:
        return markdown
    uri = page.file.src_uri
    return with_links(markdown, f'docs/{uri}', uri)


def page_of(name: str) -> str:
    """The page that shows a file of the repository."""
    inside, _, rest = name.partition('docs/')
    if not inside:
        return rest.removesuffix('.ipynb') + '.md' * rest.endswith('.ipynb')
    return PLACED.get(name, f'repository/{name.removesuffix(".md")}.md')


def with_links(text: str, origin: str, uri: str) -> str:
    """A page's text with links that are right where the page stands.

    Args:
        text: Markdown.
        origin: Name of the file in the repository; its links start there.
        uri: Name of the page below docs/.
    """

    def new(match: re.Match[str]) -> str:
        name = _target(match[0], origin)
        if name is None or not (ROOT / name).is_file():
            return match[0]
        return posixpath.relpath(page_of(name), posixpath.dirname(uri))

    return _outside_code(LINK, new, text)


def _outside(text: str, origin: str) -> list[str]:
    """Files of the repository outside docs/ that a text links to."""
    found: list[str] = []

    def note(match: re.Match[str]) -> str:
        name = _target(match[0], origin)
        if name is None or name.startswith('docs/'):
            return match[0]
        if (ROOT / name).is_file():
            found.append(name)
        else:
            LOG.warning('%s: a link to %s, which is not a file', origin, name)
        return match[0]

    _outside_code(LINK, note, text)
    return found


def _target(link: str, origin: str) -> str | None:
    """A link as a path from the root; None for an address."""
    if re.match(r'\w+:|/', link):
        return None
    folder = posixpath.dirname(origin)
    return posixpath.normpath(posixpath.join(folder, unquote(link)))


def _outside_code(pattern: re.Pattern[str], new: Any, text: str) -> str:
    """Replace a pattern where a text is not fenced code."""
    parts = []
    end = 0
    for fence in FENCE.finditer(text):
        parts += [pattern.sub(new, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return ''.join([*parts, pattern.sub(new, text[end:])])


def notebook_page(notebook: dict[str, Any]) -> str:
    """A notebook as Markdown: texts, code, and what the code printed."""
    parts = []
    for cell in notebook['cells']:
        source = ''.join(cell['source']).strip('\n')
        if cell['cell_type'] == 'markdown':
            parts.append(source)
            continue
        parts.append(f'~~~~python\n{source}\n~~~~')
        parts += [_output(output) for output in cell['outputs']]
    return '\n\n'.join(parts) + '\n'


def _output(output: dict[str, Any]) -> str:
    """One output of a cell; a picture stands in the page."""
    data = output.get('data', {})
    if 'image/png' in data:
        picture = ''.join(data['image/png']).replace('\n', '')
        return f'<img alt="plot" src="data:image/png;base64,{picture}">'
    text = ''.join(output.get('text') or data.get('text/plain', ''))
    return f'~~~~text\n{text.rstrip()}\n~~~~'
