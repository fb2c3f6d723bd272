"""Faults of own data are refused, counted, or read rightly."""

import os

import numpy as np
import pytest
from PIL import Image

from ssl_bench.cli import main
from ssl_bench.tasks.check import check_task
from ssl_bench.tasks.layouts import (
    FolderLayout,
    InatLayout,
    ListLayout,
    MaskLayout,
    Note,
    Problem,
    VocBoxLayout,
    VocMaskLayout,
)
from ssl_bench.tasks.layouts.masks import check_mask, read_mask
from ssl_bench.tasks.layouts.unusable import UnusableLabels

LABELS = np.array([[0, 1, 2], [2, 1, 255]], np.uint8)
WORD = {Problem: 'problem', Note: 'note'}


def words(lines):
    """What kind each line is of."""
    return [
        WORD[Note if isinstance(line, Note) else Problem] for line in lines
    ]


def colours(labels):
    return Image.fromarray(np.repeat(labels[..., None], 3, axis=2))


def palette(labels):
    image = Image.fromarray(labels, 'P')
    image.putpalette([9, 8, 7] * 256)
    return image


@pytest.mark.parametrize(
    'image, kind',
    [
        (Image.fromarray(LABELS), 'PNG'),
        (palette(LABELS), 'PNG'),
        (Image.fromarray(LABELS.astype(np.uint16)), 'PNG'),
        (Image.fromarray(LABELS.astype(np.int32)), 'TIFF'),
    ],
    ids=('grey', 'palette', '16 bit', '32 bit'),
)
def test_masks_that_are_read(tmp_path, image, kind):
    image.save(tmp_path / 'a', kind)
    labels = read_mask(tmp_path / 'a')
    assert labels.dtype == np.uint8 and np.array_equal(labels, LABELS)
    check_mask(labels, (2, 3), 3)


@pytest.mark.parametrize(
    'image, kind, text',
    [
        (colours(LABELS), 'PNG', 'has the mode RGB, not one label for each'),
        (Image.fromarray(LABELS).convert('LA'), 'PNG', 'has the mode LA'),
        (Image.fromarray(LABELS / np.float32(2)), 'TIFF', 'has the mode F'),
        (Image.fromarray(LABELS), 'JPEG', 'is a JPEG file, which changes'),
        (colours(LABELS), 'WEBP', 'is a WEBP file, which changes labels'),
        # 256 would become 0, and -1 255
        (Image.fromarray(LABELS.astype(np.uint16) + 256), 'PNG', 'label 511'),
        (Image.fromarray(LABELS.astype(np.int32) - 1), 'TIFF', 'label -1'),
        (Image.fromarray(LABELS * 0 + 255), 'PNG', 'no other label than 255'),
        (Image.fromarray(LABELS + 1), 'PNG', 'has the label 3; this task'),
        (Image.fromarray(LABELS.T.copy()), 'PNG', r'is \(3, 2\), its image'),
    ],
)
def test_masks_that_are_refused(tmp_path, image, kind, text):
    image.save(tmp_path / 'a', kind)
    with pytest.raises(UnusableLabels, match=text):
        check_mask(read_mask(tmp_path / 'a'), (2, 3), 3)


def test_zero_is_ignored_in_ade20k(registered, tmp_path):
    """The loader's labels are mmseg's, from one reader of masks."""
    from ssl_bench.toolbox.load_masks import ReadMask

    Image.fromarray(LABELS).save(tmp_path / 'a.png')
    results = dict(
        seg_map_path=str(tmp_path / 'a.png'),
        ori_shape=(2, 3),
        reduce_zero_label=True,
        label_map=None,
        seg_fields=[],
    )
    found = ReadMask(classes=2).transform(results)['gt_seg_map']
    assert found.tolist() == [[255, 0, 1], [1, 0, 255]]
    results.update(reduce_zero_label=False, label_map={0: 1, 1: 0})
    found = ReadMask(classes=3).transform(results)['gt_seg_map']
    assert found.tolist() == [[1, 0, 2], [2, 0, 255]]


@pytest.mark.parametrize('kind', [np.uint8, np.uint16, np.int32])
@pytest.mark.parametrize('zero', [False, True])
def test_every_label_is_read_as_it_should_be(registered, tmp_path, kind, zero):
    """0 to 255, from files of 8, 16 and 32 bits, to 8 bits."""
    from ssl_bench.toolbox.load_masks import ReadMask

    labels = np.arange(256).reshape(16, 16)
    form = 'png' if kind is not np.int32 else 'tiff'
    Image.fromarray(labels.astype(kind)).save(tmp_path / f'a.{form}')
    results = dict(
        seg_map_path=str(tmp_path / f'a.{form}'),
        ori_shape=(16, 16),
        reduce_zero_label=zero,
        seg_fields=[],
    )
    found = ReadMask(classes=255).transform(results)['gt_seg_map']
    expected = [*range(256)]
    if zero:  # 0 is ignored, as 255 is, and the others move down
        expected = [255, *range(254), 255]
    assert found.dtype == np.uint8 and found.flatten().tolist() == expected
    assert results['seg_fields'] == ['gt_seg_map']
    assert found.flags.writeable  # transforms can change it


def masked(folder, count=9):
    for name in ('images', 'masks'):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        Image.new('RGB', (3, 2)).save(folder / f'images/{index:02}.jpg')
        Image.fromarray(LABELS).save(folder / f'masks/{index:02}.png')
    return MaskLayout(
        images=str(folder / 'images'), masks=str(folder / 'masks'), labels=3
    )


def test_every_mask_of_a_test_set_is_opened(tmp_path):
    layout = masked(tmp_path, 40)
    assert layout.check() == [] == layout.check(scored=True)
    colours(LABELS).save(tmp_path / 'masks/37.png')  # in no sample of a few
    assert layout.check() == []
    (line,) = layout.check(scored=True)
    assert '1 masks have colours or fractions instead of labels' in line
    Image.new('RGB', (3, 2)).save(tmp_path / 'images/99.JPG')
    (note,) = layout.check()
    assert note.endswith('do not end in `.jpg` (left out), first 99.JPG')
    assert isinstance(note, Note)


def test_a_mask_list_with_a_name_twice(tmp_path):
    masked(tmp_path)
    path = tmp_path / 'list.txt'
    path.write_bytes(b'\xef\xbb\xbf00 \r\n\r\n01\t\r\n00\r\n')
    layout = VocMaskLayout(
        list_file=str(path),
        images=str(tmp_path / 'images'),
        masks=str(tmp_path / 'masks'),
        labels=3,
    )
    assert words(layout.check()) == ['note']
    assert words(layout.check(scored=True)) == ['problem']
    assert '1 images are listed twice' in layout.check()[0]


OBJECT = (
    '<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>'
    '<xmin>{x1}</xmin><ymin>2</ymin><xmax>{x2}</xmax><ymax>9</ymax></bndbox>'
    '</object>'
)
GOOD = dict(name='cat', difficult='0', x1='2', x2='9')


def voc(folder, text, **layout):
    """A set of one image with this annotation."""
    for name in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (folder / name).mkdir(parents=True, exist_ok=True)
    Image.new('RGB', (30, 20)).save(folder / 'JPEGImages/a b.jpg')
    mode = dict(encoding='utf-8') if isinstance(text, str) else {}
    path = folder / 'Annotations/a b.xml'
    path.write_text(text, **mode) if mode else path.write_bytes(text)
    (folder / 'ImageSets/Main/val.txt').write_text('a b\n')
    return VocBoxLayout(
        list_file=str(folder / 'ImageSets/Main/val.txt'),
        names=('cat', 'dog'),
        **layout,
    )


def xml(**changes):
    row = OBJECT.format(**{**GOOD, **changes})
    return f'<annotation>{row}{OBJECT.format(**GOOD)}</annotation>'


@pytest.mark.parametrize(
    'text, found',
    [
        (xml(difficult=''), (2, '')),
        (xml(name=' cat\n'), (2, '')),
        (xml(x1='2.0'), (2, '')),
        (xml().encode('utf-16'), (2, '')),
        (xml(x1='10'), (1, 'note: 1 objects with an empty box (left out)')),
        (xml(x1='31', x2='40'), (1, 'note: 1 objects outside their image (l')),
        (xml(x1='0'), (2, 'note: 1 images have a box that reaches beyond')),
        (xml(x2='99'), (2, 'note: 1 images have a box that reaches beyond')),
        (xml(x1='nan'), (None, 'problem: `xmin` is nan')),
        (xml(x2='1e999'), (None, 'problem: `xmax` is 1e999')),
        (xml(x1='left'), (None, 'problem: could not convert string to float')),
        (xml(name='Cat'), (None, 'problem: 1 objects are of other classes')),
        (xml(name=' '), (None, 'problem: `object` has no `name`')),
        (xml(difficult='yes'), (None, 'problem: invalid literal for int()')),
        (
            xml(x1='0.1', x2='0.5')
            .replace('>2<', '>0<')
            .replace('>9<', '>1<'),
            (None, 'problem: a box is [0.1, 0.0, 0.5, 1.0]: fractions of the'),
        ),
        ('', (None, 'problem: no element found')),
        ('<html/>', (None, 'problem: it holds `html`, not `annotation`')),
        (
            f'<!DOCTYPE x [<!ENTITY a "cat">]>{xml(name="&a;")}',
            (None, 'problem: it declares the document type x'),
        ),
        (
            f'<?xml version="1.0" encoding="foo"?>{xml()}',
            (None, 'problem: unknown encoding'),
        ),
        (xml(name='c\xe9').encode('latin-1'), (None, 'problem: not well-for')),
    ],
)
def test_annotations_of_voc(tmp_path, text, found):
    layout = voc(tmp_path / 'VOC', text)
    reading = layout.read()
    boxes, line = found
    if boxes is not None:
        (entry,) = reading.entries
        assert len(entry.boxes) == boxes and entry.size == (30, 20)
    kind, _, part = line.partition(': ')
    assert words(reading.lines) == ([kind] if kind else [])
    assert all(part in line and '\n' not in line for line in reading.lines)


def test_a_list_of_voc(tmp_path):
    layout = voc(tmp_path / 'VOC', xml())
    path = tmp_path / 'VOC/ImageSets/Main/val.txt'
    path.write_bytes(b'\xef\xbb\xbfa b  \r\n\r\na b\t\r\n')
    assert words(layout.check()) == ['note']
    assert words(layout.check(scored=True)) == ['problem']
    path.write_text(f'{tmp_path}/VOC/JPEGImages/a b\n')
    assert any('1 images have an absolute path' in x for x in layout.check())
    path.unlink()
    os.mkfifo(path)  # which nobody writes into
    (line,) = layout.check()
    assert 'val.txt cannot be read: it is not a file' in line


def image(path, size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size).save(path)


@pytest.mark.parametrize(
    'names, said',
    [
        (('@eaDir/a.jpg', '__MACOSX/a.jpg', '.ipynb_checkpoints/a.jpg'), ''),
        (('bat/a.heic', 'bat/b.HEIC'), 'problem: 1 class folders hold no im'),
        (('cat/notes.txt',), 'note: 1 files are not read (.txt 1)'),
        (('cat /a.jpg',), 'problem: 1 class folders have a blank at an end'),
        (('a.jpg',), 'note: 1 images are in no class folder (left out)'),
        (('ant/red/a.jpg',), 'note: 1 class folders have their images in fur'),
    ],
)
def test_folders_of_classes(tmp_path, names, said):
    for name in ('cat/a.jpg', 'dog/a.jpg'):
        image(tmp_path / name)
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == '.jpg':
            image(path)
        else:
            path.write_text('')
    lines = FolderLayout(folder=str(tmp_path)).check()
    kind, _, part = said.partition(': ')
    assert words(lines) == ([kind] if kind else [])
    assert all(part in line for line in lines)


@pytest.mark.parametrize(
    'line, said',
    [
        ('cat/a b.jpg\t1', ''),
        ('/cat/a b.jpg 1', 'problem: 1 lines name no image'),
        ('cat/a b.jpg -1', 'problem: 1 lines name no image'),
        ('cat/a b.jpg 1.0', 'problem: 1 lines name no image'),
        ('cat/a b.jpg 2', 'problem: 1 labels are beyond the 2 classes'),
        ('cat/a b.jpg 123456789', 'problem: 1 labels are beyond the 2 clas'),
        (f'cat/a b.jpg {"9" * 5000}', 'problem: 1 lines name no image'),
        ('dog/c.jpg 1', 'note: 1 images are listed twice (trained on as of'),
    ],
)
def test_lines_of_a_list(tmp_path, line, said):
    for name in ('cat/a b.jpg', 'dog/c.jpg'):
        image(tmp_path / name)
    path = tmp_path / 'list.txt'
    path.write_bytes(b'\xef\xbb\xbf' + f'dog/c.jpg 1\r\n{line}\r\n'.encode())
    layout = ListLayout(list_file=str(path), images=str(tmp_path), classes=2)
    lines = [line for line in layout.check() if 'have no image' not in line]
    kind, _, part = said.partition(': ')
    assert words(lines) == ([kind] if kind else [])
    assert all(part in line and len(line) < 900 for line in lines)


def test_annotations_of_inaturalist_that_nothing_can_be_made_of(tmp_path):
    path = tmp_path / 'train2018.json'
    layout = InatLayout(annotations=str(path), images=str(tmp_path))
    for text in ('', '[' * 10**5, '{"categories": [1]}', '7', '\xff'):
        path.write_bytes(text.encode('latin-1'))
        (line,) = layout.check()
        assert 'is not an annotation file of iNaturalist' in line
        assert '\n' not in line and len(line) < 500


def test_labels_mean_the_same_in_training_and_test(mini_root, tmp_path):
    for name in ('train/cat/a.jpg', 'train/dog/a.jpg', 'val/cat/a.jpg'):
        image(tmp_path / name)
    from ssl_bench.tasks.layouts.lists import other_labels

    train, val = (
        FolderLayout(folder=str(tmp_path / name)) for name in ('train', 'val')
    )
    image(tmp_path / 'val/cow/a.jpg')
    (line,) = other_labels(train, val)
    assert "(2 and 2): 'cow' is not in both" in line
    (tmp_path / 'val/cow').rename(tmp_path / 'val/dog')
    assert other_labels(train, val) == []
    path = tmp_path / 'list.txt'
    path.write_text('cat/a.jpg 1\ndog/a.jpg 0\n')
    listed = ListLayout(
        list_file=str(path), images=str(tmp_path / 'train'), classes=2
    )
    assert listed.check() == []  # labels of a list can have any order,
    (line,) = other_labels(listed, val)  # those of folders cannot
    assert '2 labels are not the place of their class folder' in line


def test_a_root_that_is_not_there(mini_root, tmp_path, capsys):
    (tmp_path / 'pictures').mkdir()
    check = ['data', 'check', 'all', '--data-root', str(tmp_path / 'picturs')]
    assert main(check) == 2
    assert capsys.readouterr().err == (
        f'ssl-bench data: the data root {tmp_path}/picturs is not there, '
        f'{tmp_path}/pictures is.\n'
    )
    first, second, _ = check_task('mini_knn', tmp_path / 'picturs')
    assert 'picturs is not there' in first and 'missing: ' in second
    check[2:3] = ['mini_knn', 'mini_linear', 'mini_kn']
    assert main([*check[:-1], str(mini_root)]) == 1  # and goes on
    out = capsys.readouterr().out
    assert "mini_kn: unknown task 'mini_kn'. Did you mean" in out
    assert out.endswith('2 of 3 tasks have their data\n')


def test_a_folder_without_permission(mini_root, monkeypatch):
    def refuse(self, *_):
        raise PermissionError(13, 'Permission denied', '/data/secret')

    monkeypatch.setattr(FolderLayout, 'read', refuse)
    monkeypatch.setattr(FolderLayout, 'scan', refuse)
    (line,) = check_task('mini_knn', mini_root)
    assert line == '/data/secret cannot be read: Permission denied.'
