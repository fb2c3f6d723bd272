"""The table of families in docs/checkpoints.md says what the code does."""

import fnmatch
import pathlib
import re

import pytest

from ssl_bench.checkpoints.timm_families import FAMILIES
from ssl_bench.checkpoints.timm_nets import POSITIONS
from ssl_bench.checkpoints.timm_reader import facts_of, read_timm

from .test_modern import listed

PAGE = pathlib.Path(__file__).parents[2] / 'docs/checkpoints.md'


def rows():
    """The cells of each family, by its name."""
    text = PAGE.read_text()
    table = text.partition('<!-- families')[2].partition('<!-- end')[0]
    cells = [
        [cell.strip() for cell in line.split('|')[1:-1]]
        for line in table.splitlines()
        if line.startswith('| `')
    ]
    assert all(len(line) == 6 for line in cells)
    return {line[0].strip('`'): line for line in cells[1:]}


def test_every_family_stands_there_in_its_order():
    assert list(rows()) == [family.name for family in FAMILIES]
    for family in FAMILIES:
        assert rows()[family.name][4] == family.method, family.name
        words = re.findall(r'[a-z]\w+', rows()[family.name][5])
        assert set(words) - {'registers'} <= set(POSITIONS)


# list, and what stands before its names
LISTS = {
    'dinov2_vits14': '',
    'dinov2_vits14_reg4': '',
    'dinov3_vits16': '',
    'dinov3_convnext_tiny': '',
    'dino_xcit_small_12_p16': '',
    'convnextv2_atto_finetuned': '',
    'convnextv2_atto_fcmae_sparse_names_reconstructed': 'encoder.',
    'spark_convnext_small_official_style': '',
    'esvit_swin_tiny_w7_backbone': '',
    'simmim_swin_base_192_window6': 'encoder.',
}


@pytest.mark.parametrize('name', LISTS)
def test_a_row_says_what_its_files_become(name):
    prefix = LISTS[name]
    state = {
        key.removeprefix(prefix): tensor
        for key, tensor in listed(name).items()
        if key.startswith(prefix)
    }
    family = next(row for row in FAMILIES if row.fits(state))
    found = read_timm(family, state, facts_of({}, 'f', state)).mapped
    _, _, _, nets, _, positions = rows()[family.name]
    patterns = re.findall(r'`([^`]+)`', nets)
    assert any(fnmatch.fnmatch(found.net.model, p) for p in patterns)
    assert found.net.positions in positions
    assert found.net.final_norm != ('without the final norm' in nets) or (
        family.name == 'convnext'
    )
