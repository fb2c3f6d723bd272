"""Commands on the pages that name own data, on small data of that form."""

import shutil

import pytest

from ssl_bench.cli import main
from tests.docs.checking import PLACEHOLDERS
from tests.docs.pages import PAGES, commands

FOUND = {
    tuple(item.words[1:]): item.place
    for page in PAGES
    for item in commands(page)
    if item.words[0] == 'ssl-bench' and '--train-data' in item.words[2:]
}
WEIGHTS = 'pixpro_base_r50_400ep.pth'


@pytest.fixture(scope='module')
def place(workplace, mini_root, tmp_path_factory):
    """What the pages show as trees, of the embedded data."""
    folder = tmp_path_factory.mktemp('own')
    for name in ('pets', 'images', 'data'):
        (folder / name).symlink_to(mini_root / 'imagenet')
    coco, devkit = mini_root / 'coco', mini_root / 'VOCdevkit'
    for name in ('parts', 'boxes'):
        (folder / name).mkdir()
        for split in ('train', 'val'):
            files = coco / 'annotations' / f'instances_{split}2017.json'
            (folder / name / f'{split}.json').symlink_to(files)
            (folder / name / split).symlink_to(coco / f'{split}2017')
    voc, masks = devkit / 'VOC2007', devkit / 'VOC2012'
    for split, one in (('train', 'trainval'), ('val', 'test')):
        names = voc / f'ImageSets/Main/{one}.txt'
        link(folder / f'street/{split}_images', voc / 'JPEGImages', names)
        link(folder / f'street/{split}_labels', voc / 'Annotations', names)
        names = masks / f'ImageSets/Segmentation/{split}.txt'
        link(folder / f'cells/{split}_images', masks / 'JPEGImages', names)
        labels = masks / 'SegmentationClass'
        link(folder / f'cells/{split}_masks', labels, names)
    classes = ''.join(f'class {number}\n' for number in range(9))
    (folder / 'cells/classes.txt').write_text(classes)
    for name in (
        'CHECKPOINT',
        'checkpoints/mocov2_r18.pth',
        'work_dirs/mocov2_r50_200e/epoch_200.pth',
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(workplace / WEIGHTS, folder / name)
    return folder


def link(place, source, names):
    """Links to the files of a list, in a folder of their own."""
    place.mkdir(parents=True, exist_ok=True)
    for name in names.read_text().split():
        (file,) = source.glob(f'{name}.*')
        (place / file.name).symlink_to(file)


def test_commands_are_found():
    assert {words[0] for words in FOUND} == {'data', 'judge', 'transfer'}
    assert len(FOUND) > 6


@pytest.mark.slow
@pytest.mark.parametrize('words', FOUND, ids=' '.join)
def test_a_command_is_right(words, place, monkeypatch, capsys):
    """It reads the data and plans the run; what only reads is run whole."""
    monkeypatch.chdir(place)
    known = {**PLACEHOLDERS, 'CHECKPOINT': 'CHECKPOINT'}
    more = [] if words[0] == 'data' else ['--dry-run']
    code = main([known.get(word, word) for word in words] + more)
    assert code == 0, f'{FOUND[words]}: {capsys.readouterr().err}'
