"""The loaders of every task read what the task's data set names."""

import os

import pytest
from mmengine.registry import DATASETS, DefaultScope
from PIL import Image

from ssl_bench.config import data_paths
from ssl_bench.errors import UserError
from ssl_bench.tasks.table import find_task, tasks
from ssl_bench.toolbox.check_data import (
    check_files,
    elsewhere_texts,
    read_elsewhere,
)
from ssl_bench.toolbox.load_images import read_with_care
from ssl_bench.transfer.plan import make_plan


def sets_in(node):
    """Settings of each data set below a loader's."""
    inner = node.get('datasets') or [node.get('dataset')]
    if inner == [None]:
        return [node]
    return [each for part in inner for each in sets_in(part)]


def place(layout):
    """The paths of a layout, the same however they are written."""
    found = {}
    for name in layout.path_fields:
        value = getattr(layout, name)
        if name != 'holds':  # loaders do not know it
            found[name] = os.path.abspath(value)
    return type(layout), found


@pytest.mark.parametrize('task', tasks())
def test_loaders_and_table_agree(registered, task, tmp_path, monkeypatch):
    """Class and paths of the layout of each loader are the table's."""
    monkeypatch.chdir(tmp_path)
    row = find_task(task)
    for path in row.data.paths:  # mmseg's sets look for theirs when built
        full = tmp_path / row.root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        full.touch() if full.suffix else full.mkdir(exist_ok=True)
    config = make_plan(task).config
    read_with_care(config, None)
    train, test = (
        [
            place(
                DATASETS.build(dict(each, lazy_init=True, pipeline=[])).layout
            )
            for each in (
                sets_in(config[name].dataset) if name in config else []
            )
        ]
        for name in ('train_dataloader', 'test_dataloader')
        for _ in [
            DefaultScope.get_instance(
                f'{task} {name}', scope_name=config.default_scope
            )
        ]
    )
    named = {
        split: [place(layout.at(row.root)) for layout in layouts]
        for split, layouts in (
            ('train', row.data.train),
            ('test', row.data.test),
        )
    }
    assert test == named['test']
    # the embedded SVM shares its data set with the detector
    assert train == named['train'] or task == 'mini_voc07_svm'
    assert train or row.trained_by or not row.data.train
    assert read_elsewhere(data_paths(config), row.data, row.root) == []


def test_data_that_the_task_does_not_name():
    config = make_plan(
        'mini_knn',
        overrides={'train_dataloader.dataset.data_root': 'data/other'},
    ).config
    data = find_task('mini_knn').data
    found = read_elsewhere(data_paths(config), data, 'data/mini')
    assert elsewhere_texts(found, data) == [
        'data/other is read, which is not of the data set mini ImageNet train'
    ]


class Rows(list):
    """A data set that is its rows."""

    test_mode, ann_file = False, 'list'
    get_data_info = list.__getitem__


def test_a_run_holds_sizes_against_annotations_before_it_trains(tmp_path):
    """All of a test set; a training set stops when none of a few agree."""
    exif = Image.Exif()
    rows = Rows()
    for number in range(20):
        exif[0x0112] = 3 if number == 1 else 1
        path = str(tmp_path / f'{number:02d}.jpg')
        Image.new('RGB', (30, 20)).save(path, exif=exif.tobytes())
        rows.append(dict(img_path=path, width=30, height=20))
    rows.test_mode = True
    (note,) = check_files(None, rows)
    assert 'list: 1 images are turned' in note and '01.jpg' in note
    rows[3]['width'] = 31  # which is not one of the few
    rows.test_mode = False
    assert check_files(None, rows) == []
    rows.test_mode = True
    with pytest.raises(
        UserError, match=r'1 images are not as .*/03\.jpg: has'
    ):
        check_files(None, rows)
    rows.test_mode = False
    for row in rows:
        row['height'] = 19
    with pytest.raises(UserError, match='8 images are not as large'):
        check_files(None, rows)
