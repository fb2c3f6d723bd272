import csv

import pytest

from ssl_bench.cli import main

METHODS = {'Random init', 'MoCo v2', 'InsLoc'}
TASKS = {'mini_voc_det_c4': 'bbox_AP50', 'mini_coco_mrcnn_fpn': 'segm_AP',
         'mini_seg_fcn': 'mIoU', 'mini_knn': 'top1'}


@pytest.mark.slow
def test_quick_demo_runs_the_chain_once(tmp_path, capsys):
    words = ['demo', '--quick', '--data-root', str(tmp_path / 'mini'),
             '--work-dir', str(tmp_path / 'demo')]
    assert main(words) == 0
    with open(tmp_path / 'demo/leaderboard.csv') as file:
        rows = list(csv.DictReader(file))
    measured = {(row['method'], row['task'], row['metric'])
                for row in rows if row['measured_mean']}
    for method in METHODS:
        for task, metric in TASKS.items():
            assert (method, task, metric) in measured
    assert (tmp_path / 'demo/leaderboard.html').stat().st_size > 100_000
    assert (tmp_path / 'demo/views_insloc_r18_fpn.png').is_file()
    assert len(list((tmp_path / 'demo').glob('*/predictions.png'))) == 9
    first = capsys.readouterr().out
    assert '(done before)' not in first
    assert '$ ssl-bench pretrain' in first

    assert main(words) == 0
    second = capsys.readouterr().out
    assert second.count('(done before)') == 12
    assert '$ ssl-bench pretrain' not in second
