"""docs/protocols.md: no task without its source and its differences."""

import io
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from ssl_bench.config import load_config
from ssl_bench.tasks.table import tasks

PAGE = Path(__file__).parents[2] / 'docs/protocols.md'
FULL = [name for name in tasks() if not name.startswith('mini_')]


def sections():
    """The text below each second-level heading, in one line."""
    text = PAGE.read_text(encoding='utf-8')
    parts = re.split(r'^## (\S+).*$', text, flags=re.M)[1:]
    return {
        name: ' '.join(re.sub(r'^# .*', '', body, flags=re.M).split())
        for name, body in zip(parts[::2], parts[1::2])
    }


@pytest.mark.parametrize('task', FULL)
def test_every_task_has_its_source_and_its_differences(task):
    section = sections()[task]
    assert section.startswith(f'Source: {tasks()[task].source}. ')
    assert re.search(r'[Dd]ifferences? that remains?', section) or re.search(
        r'no published number to compare with', section
    ), 'say what still differs, and by how much'


@pytest.mark.parametrize(
    'task', [task for task in FULL if not tasks()[task].trained_by]
)
def test_every_recipe_is_named(task):
    section = sections()[task]
    recipes = load_config(f'transfer/{task}').get('recipes', {})
    own = [name for name in recipes if f'`{name}`' not in section]
    assert not own or 'The recipes are the same' in section


def test_the_page_names_no_task_that_is_gone():
    assert {*sections()} - {'mini'} == {*FULL}


def test_decoders_agree_as_the_page_says(photo):
    """OpenCV's and Pillow's pixels of one JPEG file."""
    for subsampling in (0, 2):
        buffer = io.BytesIO()
        Image.fromarray(photo).save(
            buffer, 'JPEG', quality=90, subsampling=subsampling
        )
        data = np.frombuffer(buffer.getvalue(), np.uint8)
        opencv = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
        pillow = np.asarray(Image.open(buffer).convert('RGB'))
        apart = np.abs(opencv.astype(int) - pillow.astype(int))
        # 0 with the versions on the page; another libjpeg may round by one
        assert apart.max() <= 1
