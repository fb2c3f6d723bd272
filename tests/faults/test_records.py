"""A short form of ``python -m tests.faults.records``."""

from tests.faults.records import fuzz


def test_no_change_of_a_file_ends_the_board():
    found = fuzz(300, seed=0)
    assert sum(found.values()) == 300
    for kind in ('record', 'correction', 'log'):
        assert found[f'{kind}: named'] and found[f'{kind}: read']
    assert found['bundle: refused'] and found['picture: named']
