"""A short form of `python -m tests.faults.data_check`."""

import pytest

from tests.faults.data_check import tried

SOME = (
    ('mini_voc_det_c4', 'xml: fractions'),
    ('mini_voc_det_c4', 'xml: bomb'),
    ('mini_voc_det_c4', 'xml: blanks around a class'),
    ('mini_voc_det_c4', 'list: a line twice'),
    ('mini_seg_fcn', 'mask has 16 bit and label 256'),
    ('mini_seg_fcn', 'mask is a JPEG'),
    ('mini_seg_fcn', 'masks of 0 and 255'),
    ('mini_linear', 'a class of .gif'),
    ('mini_linear', 'a class of .heic'),
    ('mini_linear', 'a class renamed in one'),
    ('mini_linear', 'a file is truncated'),
    ('mini_semi10', 'list: label of another class'),
    ('mini_inat_linear', 'json is a pipe'),
)


@pytest.mark.parametrize('task, name', SOME)
def test_check_and_run_agree(registered, mini_root, task, name):
    row = tried(task, name, 0, mini_root)
    assert row.agrees, row
