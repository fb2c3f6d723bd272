"""The site is built without a warning, and shows what a host shows."""

import re
import subprocess
import sys

import pytest
from markdown_it import MarkdownIt

from tests.docs.pages import PAGES, ROOT, name_of, without_code

OUTSIDE = {'README.md': 'readme', 'CONTRIBUTING.md': 'contributing'}
COUNTED = ('li', 'ol', 'ul', 'pre', 'tr', 'h1', 'h2', 'h3', 'h4', 'blockquote')


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The built site; a warning, such as a broken link, is an error."""
    pytest.importorskip('mkdocs', reason='the extra docs is not installed')
    folder = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '-d', folder],
        cwd=ROOT,
        env={'NO_MKDOCS_2_WARNING': '1', 'PATH': ''},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def article(site, page):
    """What a page of the site shows, as HTML."""
    name = OUTSIDE.get(name_of(page)) or page.relative_to(
        ROOT / 'docs'
    ).with_suffix('')
    text = (site / f'{name}.html').read_text(encoding='utf-8')
    return text[text.index('<article') : text.index('</article>')]


def counts(html):
    """How many of each element there are."""
    return {tag: len(re.findall(rf'<{tag}[ >]', html)) for tag in COUNTED}


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_a_page_is_the_same_on_a_host_and_in_the_site(site, page):
    """An empty line before a list; four spaces before what is inside it."""
    text = page.read_text(encoding='utf-8')
    if re.search(r'^(::: |!!! |\?\?\? |=== )', without_code(text), re.M):
        return  # boxes and API pages are of the site only
    host = MarkdownIt('commonmark').enable('table').render(text)
    assert counts(article(site, page)) == counts(host)


def test_the_site_fetches_nothing(site):
    loads = re.compile(
        r'<(?:script|img|link|iframe)[^>]*(?:src|href)="?(https?:[^" >]+)'
    )
    for page in site.rglob('*.html'):
        assert loads.findall(page.read_text(encoding='utf-8')) == [], page


def test_a_link_out_of_docs_leads_to_a_page_of_the_site(site):
    shown = (site / 'first_run.html').read_text(encoding='utf-8')
    target = re.search(r'href="(repository/suites/mini\.yaml\.html)"', shown)
    text = (site / target[1]).read_text(encoding='utf-8')
    first = (ROOT / 'suites/mini.yaml').read_text().splitlines()[0]
    assert first.lstrip('# ')[:30] in re.sub(r'<[^>]+>', '', text)
    pages = (site / 'readme.html').read_text(encoding='utf-8')
    assert 'href="transfer.html' in pages and 'href="docs/' not in pages
