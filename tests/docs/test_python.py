"""The Python code on the pages runs, on embedded data.

The blocks of a page are run in their order and share their names, as for a
reader who types them one after the other.
"""

import ast
import re

import pytest
import torch
from torchvision.models import resnet50

from ssl_bench.config import config_dir, load_config
from ssl_bench.tasks.custom import file_task
from ssl_bench.tasks.table import read_task
from tests.docs.exceptions import PYTHON
from tests.docs.pages import PAGES, blocks, name_of

FOUND = {
    page: [block for block in blocks(page) if block.language == 'python']
    for page in PAGES
}
FOUND = {page: found for page, found in FOUND.items() if found}


def exception(text):
    """The text that excuses a block, if it has one."""
    return next((known for known in PYTHON if known in text), None)


def is_config(text):
    """Whether it is a task, or settings over a base."""
    return 'TASK = dict(' in text or '_base_ = ' in text


def test_every_exception_is_needed():
    texts = [block.text for found in FOUND.values() for block in found]
    assert {exception(text) for text in texts} - {None} == set(PYTHON)
    assert all(PYTHON.values())


@pytest.mark.slow
@pytest.mark.parametrize('page', FOUND, ids=name_of)
def test_code_runs(page, workplace, monkeypatch, tmp_path):
    monkeypatch.chdir(workplace)
    names = {'__name__': 'page'}
    for block in FOUND[page]:
        if exception(block.text):
            ast.parse(block.text)
        elif is_config(block.text):
            read_config(block.text, tmp_path)
        else:
            write_checkpoints(block.text, workplace)
            code = compile(block.text, block.place, 'exec')
            exec(code, names)


def write_checkpoints(text, folder):
    """Random weights in files that a block names: a ResNet-50's."""
    for name in re.findall(r"'([\w/]+\.pth)'", text):
        if not (folder / name).exists():
            torch.save(resnet50().state_dict(), folder / name)


def read_config(text, folder):
    """A task is read as the table reads it; a config loads over its base."""
    named = re.search(r"^    id='(\w+)'", text, re.MULTILINE)
    path = folder / f'{named[1] if named else "page"}.py'
    path.write_text(
        text.replace("_base_ = './", f"_base_ = '{config_dir()}/transfer/"),
        encoding='utf-8',
    )
    if named:
        assert read_task(path).id == named[1]
    elif 'TASK = dict(' in text:
        assert file_task(str(path)).id == 'custom:page'
    if '_base_' in text:
        load_config(path)
