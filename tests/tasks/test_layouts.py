"""One class says what is on disk; loaders and checks repeat it."""

import json
import re
import shutil

import pytest
from PIL import Image

from ssl_bench.data.mini.names import CLASSES
from ssl_bench.data.storage import open_storage
from ssl_bench.errors import UserError
from ssl_bench.tasks.check import check_task
from ssl_bench.tasks.datasets import MINI_CLASSES, Dataset, own_dataset
from ssl_bench.tasks.fingerprint import fingerprint
from ssl_bench.tasks.layouts import (
    CocoLayout,
    CorruptedLayout,
    FolderLayout,
    ListLayout,
    MaskLayout,
    Note,
    Problem,
    VocBoxLayout,
)
from ssl_bench.tasks.layouts.lines import each, missing_files
from ssl_bench.tasks.subsets import stratified_list

VAL = 'coco/annotations/instances_val2017.json'


@pytest.fixture
def copy(mini_root, tmp_path):
    shutil.copytree(mini_root / 'coco', tmp_path / 'mini/coco')
    return tmp_path / 'mini'


def image(path, mode='RGB', size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)


def clutter(folder):
    """What operating systems and notebooks leave in a folder of classes."""
    (folder / '.ipynb_checkpoints').mkdir()
    image(folder / '.ipynb_checkpoints/b.jpg')
    (folder / 'cat/._a.jpg').write_bytes(b'\0\5\26\7')
    (folder / 'cat/.DS_Store').touch()
    (folder / 'cat/gone.jpg').symlink_to('/nowhere/a.jpg')
    (folder / 'README.txt').touch()


def test_the_classes_of_the_embedded_data():
    assert MINI_CLASSES == CLASSES


def test_images_in_a_folder(tmp_path):
    for name in ('cat/b.JPG', 'cat/a.webp', 'cat/old/c.tif', 'd.png'):
        image(tmp_path / name)
    clutter(tmp_path)
    (tmp_path / 'link').symlink_to(tmp_path / 'cat/old')
    assert list(open_storage(tmp_path).list().images.names) == [
        'cat/a.webp',
        'cat/b.JPG',
        'cat/old/c.tif',
        'd.png',
        'link/c.tif',
    ]


def test_a_folder_is_the_same_for_everyone(registered, tmp_path):
    """Loader, drawn list, check and fingerprint see the same files."""
    from ssl_bench.toolbox.image_sets import ListedCustomDataset

    for name in ('cat/b.JPG', 'cat/a.webp', 'cat/old/c.tif', 'dog/e.png'):
        image(tmp_path / name)
    layout = FolderLayout(folder=str(tmp_path))
    dataset = Dataset(title='x', test=(FolderLayout(folder=tmp_path.name),))
    before = fingerprint(dataset, str(tmp_path.parent))
    clutter(tmp_path)
    (tmp_path / 'README.txt').unlink()
    fingerprint.cache_clear()
    assert fingerprint(dataset, str(tmp_path.parent)) == before
    entries = layout.read().entries
    assert [(entry.image, entry.label) for entry in entries] == [
        (f'{tmp_path}/cat/a.webp', 0),
        (f'{tmp_path}/cat/b.JPG', 0),
        (f'{tmp_path}/cat/old/c.tif', 0),
        (f'{tmp_path}/dog/e.png', 1),
    ]
    assert layout.check(every=True) == []
    loader = ListedCustomDataset(data_root=str(tmp_path), pipeline=[])
    assert [
        (row['img_path'], row['gt_label'])
        for row in map(loader.get_data_info, range(len(loader)))
    ] == entries
    assert loader.metainfo['classes'] == ('cat', 'dog')
    assert stratified_list(tmp_path, 100) == [
        'cat/a.webp 0',
        'cat/b.JPG 0',
        'cat/old/c.tif 0',
        'dog/e.png 1',
    ]
    image(tmp_path / 'dog/f.png')
    fingerprint.cache_clear()
    assert fingerprint(dataset, str(tmp_path.parent)) != before


def test_folders_with_faults(registered, tmp_path):
    from ssl_bench.toolbox.image_sets import (
        ListedCustomDataset,
        ListedImageNet,
    )

    def refused(text):
        assert text in layout.check()[0]
        with pytest.raises(UserError, match=text):
            ListedCustomDataset(data_root=str(root), pipeline=[])

    root = tmp_path / 'val'
    layout = FolderLayout(folder=str(root))
    refused('is not a folder; expected <class>/<image>')
    image(root / 'a.jpg')
    refused('has no class folders; expected <class>/<image>')
    (root / 'cat').mkdir()
    refused('1 class folders, none holds an image, first cat')
    shutil.move(root / 'a.jpg', root / 'cat/a.jpg')
    refused('val has images of one class only, cat. Are its classes a')
    image(root / 'cow/c.jpg')
    (root / 'dog').mkdir()
    (note,) = layout.check()
    assert isinstance(note, Note)
    assert '1 class folders hold no image, first dog' in note
    loader = ListedCustomDataset(data_root=str(root), pipeline=[])
    assert len(loader) == 2 and loader.notes == [note]
    published = FolderLayout(folder=str(root), classes=3, count=50)
    assert isinstance(published.check()[-1], Problem)
    assert 'val has 2 images, expected 50' in published.check()[-1]
    with pytest.raises(UserError, match='3 class folders, expected 1000'):
        ListedImageNet(data_root=str(root), pipeline=[])
    (root / 'cat/b.jpg').write_text('no image')
    assert layout.check()[1:] == []  # a few are opened
    assert 'b.jpg: it is not an image' in layout.check(every=True)[1]


def test_every_cell_must_hold_the_same_images(tmp_path):
    for name in ('fog/1/cat/a.jpg', 'fog/2/cat/b.jpg'):
        image(tmp_path / name)
    layout = CorruptedLayout(
        folder=str(tmp_path),
        corruptions=('fog',),
        severities=(1, 2),
        names=('cat',),
    )
    assert 'fog/2 holds other images than the first' in layout.check()[0]


def test_lists(registered, tmp_path):
    from ssl_bench.toolbox.image_sets import ListedCustomDataset

    path = tmp_path / 'list.txt'
    for name in ('cat/my cat.jpg', 'dog/b.jpg'):
        image(tmp_path / 'all' / name)
    layout = ListLayout(list_file=str(path), images=str(tmp_path / 'all'))

    def load():
        return ListedCustomDataset(
            data_root=str(tmp_path),
            ann_file='list.txt',
            data_prefix='all',
            pipeline=[],
        )

    path.write_text('cat/my cat.jpg 0\n\ndog/b.jpg 2\n')
    assert [load().get_data_info(i)['gt_label'] for i in (0, 1)] == [0, 2]
    (note,) = layout.check()
    assert isinstance(note, Note) and '1 labels have no image, first 1' in note
    for text, message in (
        (
            'cat/my cat.jpg 0\n\ncat/my cat.jpg x\n',
            "list.txt: 1 lines name no image, first 'cat/my cat.jpg x' in "
            'line 3. A line is `class/image label`, ',
        ),
        ('photo.jpg\n', "1 lines name no image, first 'photo.jpg' in line 1"),
        ('\ncow_1.jpg\n', 'first cow/cow_1.jpg in line 2. Correct them'),
        (
            'dog/b.jpg 1\ncat/a.jpg 0',
            f'names 2 images, 1 are not there, first {tmp_path}/all/cat/a.jpg '
            'in line 2',
        ),
        ('\n', 'names no image'),
    ):
        path.write_text(text)
        assert message in layout.check()[0]
        with pytest.raises(UserError, match=re.escape(message)):
            load()


@pytest.mark.parametrize(
    'text',
    [
        'n02_7.jpg\nn01_12.jpg\n',  # SimCLR's
        '1 n02/n02_7.jpg\n0 n01/n01_12.jpg\n',  # LEWEL's .ext
        'n02/n02_7.jpg\nn01/n01_12.jpg\n',
        'n02/n02_7.jpg 1\r\nn01/n01_12.jpg\t0\r\n',
    ],
)
def test_lists_as_they_are_downloaded(registered, tmp_path, text):
    from ssl_bench.toolbox.image_sets import ListedCustomDataset

    for name in ('n01/n01_12.jpg', 'n02/n02_7.jpg'):
        image(tmp_path / 'train' / name)
    path = tmp_path / 'semi1.txt'
    path.write_bytes(text.encode())
    layout = ListLayout(
        list_file=str(path), images=str(tmp_path / 'train'), classes=2
    )
    assert layout.read().entries == [
        (f'{tmp_path}/train/n02/n02_7.jpg', 1),
        (f'{tmp_path}/train/n01/n01_12.jpg', 0),
    ]
    assert not layout.check()
    loaded = ListedCustomDataset(
        data_root=str(tmp_path),
        ann_file='semi1.txt',
        data_prefix='train',
        metainfo=dict(classes=('first', 'second')),
        pipeline=[],
    )
    assert loaded.get_gt_labels().tolist() == [1, 0]


def test_labels_that_lists_do_not_have(tmp_path):
    for name in ('n01/n01_12.jpg', 'n02/n02_7.jpg'):
        image(tmp_path / 'train' / name)
    path = tmp_path / 'semi1.txt'

    def lines(classes, by_folder=False):
        return ListLayout(
            list_file=str(path),
            images=str(tmp_path / 'train'),
            classes=classes,
            by_folder=by_folder,
        ).check()

    path.write_text('n02_7.jpg\n')
    (line,) = lines(3)
    assert 'train has 2 class folders, expected 3: their order' in line
    path.write_text('n01/n01_12.jpg 0\nn02/n02_7.jpg 0\n')
    (note,) = lines(2)
    assert isinstance(note, Note) and '1 labels have no image, first 1' in note
    assert lines(2, by_folder=True)[0] == (
        f'{path}: 1 labels are not the place of their class folder, first '
        'n02/n02_7.jpg in line 2 with 0, not 1. Take the labels out: the '
        'folders give them.'
    )


XML = """<annotation><size><width>100.0</width><height>80</height></size>
<object><name>cat</name><difficult/><bndbox><xmin>11</xmin>
<ymin>21</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>
</annotation>"""


def test_voc_as_other_programs_write_it(registered, tmp_path):
    """Spaces in names, an empty `difficult`, a size that is a float."""
    from ssl_bench.toolbox.voc import VOCDetection

    home = tmp_path / 'VOC2007'
    image(home / 'JPEGImages/my photo.jpg', size=(100, 80))
    image(home / 'JPEGImages/2.jpg', size=(30, 20))
    for name in ('ImageSets/Main', 'Annotations'):
        (home / name).mkdir(parents=True)
    path = home / 'ImageSets/Main/train.txt'
    path.write_text('my photo\n2\n')
    (home / 'Annotations/my photo.xml').write_text(XML)
    (home / 'Annotations/2.xml').write_text('<annotation></annotation>')
    layout = VocBoxLayout(list_file=str(path))
    first, second = layout.read().entries
    assert (first.width, first.height) == (100, 80)
    assert first.boxes == [('cat', False, 11, 21, 30, 40)]
    assert (second.width, second.height, second.boxes) == (30, 20, [])
    (note,) = layout.check()
    assert isinstance(note, Note)
    assert '1 images have no object (skipped in training), first 2' in note
    loader = VOCDetection(
        data_root=str(tmp_path),
        ann_file='VOC2007/ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root='VOC2007/'),
        metainfo=dict(classes=('cat',)),
        pipeline=[],
    )
    row = loader.get_data_info(0)
    assert (row['width'], row['height']) == (100, 80)
    assert row['instances'] == [
        dict(bbox=[10, 20, 30, 40], bbox_label=0, ignore_flag=0)
    ]
    broken = XML.replace('<xmin>11</xmin>', '<xmin>left</xmin>')
    for name in ('my photo', '2'):
        (home / f'Annotations/{name}.xml').write_text(broken)
    (line,) = layout.check()
    assert isinstance(line, Problem)
    assert '2 annotations cannot be read' in line and "'left'" in line


def test_classes_of_voc_images(registered, mini_root, tmp_path):
    """The labels of mmpretrain's reader, from the same boxes."""
    from mmpretrain.datasets import VOC

    from ssl_bench.toolbox.image_sets import ListedVOC

    shutil.copytree(mini_root / 'VOCdevkit/VOC2007', tmp_path / 'VOC2007')
    settings = dict(
        data_root=str(tmp_path / 'VOC2007'),
        split='test',
        metainfo=dict(classes=CLASSES),
        pipeline=[],
    )
    theirs, ours = VOC(**settings), ListedVOC(**settings)
    assert len(ours) == len(theirs) == 8
    for index in range(8):
        row = ours.get_data_info(index)
        # which reading holds against the file
        assert (row.pop('width'), row.pop('height')) > (0, 0)
        assert row == theirs.get_data_info(index)
    next((tmp_path / 'VOC2007/JPEGImages').iterdir()).unlink()
    (tmp_path / 'VOC2007/JPEGImages').rename(tmp_path / 'VOC2007/photos')
    with pytest.raises(UserError, match='8 are not there'):
        ListedVOC(**settings)


@pytest.mark.parametrize(
    'written, there',
    [
        ('my%20photo.jpg', 'my photo.jpg'),
        ('day\\a.jpg', 'day/a.jpg'),
        ('IMG_1.jpg', 'IMG_1.JPG'),
        ('a.jpg', 'a.png'),
        ('val/a.jpg', 'a.jpg'),
        ('a.xml', ''),
        ('b.jpg', ''),
    ],
)
def test_a_name_that_is_written_in_another_way(tmp_path, written, there):
    image(tmp_path / (there or 'a.png'))
    path = str(tmp_path / written)
    (line,) = missing_files('list', [path])
    if there:
        end = f', but {tmp_path / there} is. Rename the files or the entries.'
    else:
        end = '. Complete them, or take their entries out.'
    assert line == f'list names 1 images, 1 are not there, first {path}{end}'


COCO_FAULTS = {  # annotation's changes; in training; in a test
    'no area': (dict(area=0), 'boxes of no area', 'boxes of no area'),
    'outside': (dict(bbox=[999, 0, 9, 9]), 'boxes outside', 'boxes outside'),
    'ignore': (dict(ignore=True), 'marked `ignore`', 'marked `ignore`'),
    'no mask': (dict(segmentation=[]), 'without mask', 'PROBLEM'),
    'point': (dict(segmentation=[[5, 5]]), 'fewer than three', 'PROBLEM'),
    'one good part': (
        dict(segmentation=[[5, 5], [1, 1, 9, 1, 9, 9]]),
        '',
        'PROBLEM',
    ),
    'good part first': (
        dict(segmentation=[[1, 1, 9, 1, 9, 9], [5, 5]]),
        '',
        '',
    ),
    'run lengths': (
        dict(segmentation=dict(size=[9, 9], counts='0')),
        'PROBLEM',
        'PROBLEM',
    ),
    'crowd': (
        dict(segmentation=dict(size=[9, 9], counts=[0]), iscrowd=1),
        'PROBLEM',
        'PROBLEM',
    ),
    'flat polygon': (dict(segmentation=[1, 1, 9, 1, 9, 9]), *['PROBLEM'] * 2),
    'text': (dict(bbox=['1', '1', '9', '9']), 'PROBLEM', 'PROBLEM'),
    'other id': (dict(image_id='1'), 'PROBLEM', 'PROBLEM'),
    'other category': (dict(category_id='1'), 'PROBLEM', 'PROBLEM'),
    'absent area': (dict(area=...), 'PROBLEM', 'PROBLEM'),
    'absent crowd': (dict(iscrowd=...), '', ''),
}


@pytest.mark.parametrize('scored', [False, True])
@pytest.mark.parametrize('name', COCO_FAULTS)
def test_objects_of_coco(registered, copy, name, scored):
    """Check and loader keep, leave out or refuse the same objects."""
    from ssl_bench.toolbox.instances import CocoInstances

    changes, *results = COCO_FAULTS[name]
    path = copy / VAL
    content = json.loads(path.read_text())
    first = content['annotations'][0]
    first.update(changes)
    for key in [key for key, value in first.items() if value is ...]:
        del first[key]
    path.write_text(json.dumps(content))
    layout = CocoLayout(
        annotations=str(path), images=str(copy / 'coco/val2017')
    )
    remarks = ('have no object', 'parts of masks')  # tested below
    lines = [
        line
        for line in layout.check(scored)
        if not any(text in line for text in remarks)
    ]

    def load():
        return CocoInstances(
            data_root=str(copy / 'coco'),
            ann_file=f'annotations/{path.name}',
            data_prefix=dict(img='val2017/'),
            metainfo=dict(classes=CLASSES),
            pipeline=[],
            test_mode=scored,
        )

    if results[scored] == 'PROBLEM':
        (line,) = lines
        assert isinstance(line, Problem) and f'first id {first["id"]}' in line
        with pytest.raises(UserError) as caught:
            load()
        assert str(caught.value) == line
        return
    loader = load()
    kept = [
        len(loader.get_data_info(index)['instances'])
        for index in range(len(loader))
    ]
    whole = len(content['annotations'])
    if results[scored]:
        (line,) = lines
        assert isinstance(line, Note) and results[scored] in line
        assert sum(kept) == whole - 1
        # the scorer reads the file itself, and leaves nothing out
        assert [results[scored] in key for key in loader.left_out] == (
            [] if scored else [True]
        )
    else:
        assert lines == [] and sum(kept) == whole and not loader.left_out


def test_a_coco_file_without_use(copy):
    path = copy / VAL
    content = json.loads(path.read_text())
    layout = CocoLayout(
        annotations=str(path), images=str(copy / 'coco/val2017')
    )
    content['annotations'].append(content['annotations'][0])
    content['images'].append(content['images'][0])
    path.write_text(json.dumps(content))
    found = ' '.join(layout.check())
    assert '1 annotation ids twice, first' in found
    assert '1 image ids twice' in found
    content['annotations'].clear()
    path.write_text(json.dumps(content))
    assert 'no image has an object to train on' in ' '.join(layout.check())
    assert 'to be scored against' in ' '.join(layout.check(scored=True))
    del content['images'][0]['width']
    path.write_text(json.dumps(content))
    assert 'images without `width`' in layout.check()[0]
    path.write_text('[]')
    assert 'Expected `object`, got `array`' in layout.check()[0]


def test_a_truncated_file_of_the_real_task_is_one_line(copy):
    path = copy / VAL
    path.write_text(path.read_text()[:5000])
    found = [
        line
        for line in check_task('coco_mrcnn_fpn_1x', copy)
        if 'val2017' in line
    ]
    assert len(found) == 1 and 'is not a COCO annotation file' in found[0]


def test_masks_with_one_label(registered, tmp_path):
    """Every class written as 255: refused by the check and before a run."""
    from ssl_bench.toolbox.check_data import check_files
    from ssl_bench.toolbox.load_masks import ListedBaseSegDataset

    for index in range(40):
        image(tmp_path / f'images/{index:02d}.jpg')
        mask = Image.new('L', (8, 6))
        mask.putpixel((2, 2), 255)
        (tmp_path / 'masks').mkdir(exist_ok=True)
        mask.save(tmp_path / f'masks/{index:02d}.png')
    layout = MaskLayout(
        images=str(tmp_path / 'images'),
        masks=str(tmp_path / 'masks'),
        labels=3,
    )
    (line,) = layout.check()
    assert 'no mask has another label than 0 and 255' in line
    loader = ListedBaseSegDataset(
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images', seg_map_path='masks'),
        metainfo=dict(classes=('a', 'b', 'c')),
        pipeline=[],
    )
    assert loader.layout == layout
    with pytest.raises(UserError, match='no mask has another label than 0'):
        check_files(3, loader)
    mask.putpixel((3, 3), 1)  # one mask that is not opened as a sample
    mask.save(tmp_path / 'masks/37.png')
    assert layout.check() == [] and check_files(3, loader) == []
    (tmp_path / 'masks/37.png').unlink()
    with pytest.raises(UserError, match='names 40 masks, 1 are not there'):
        loader.load_data_list()


def test_a_line_names_the_files():
    (line,) = each('images cannot be decoded', dict(a='cut', b='cut'), 'x')
    assert line == (
        'x: 2 images cannot be decoded, first a: cut; then b. Replace them, '
        'or take their entries out.'
    )
    names = {str(index): 'cut' for index in range(30)}
    (line,) = each('images cannot be decoded', names, 'x')
    assert '; then 1, 2, ' in line and ', 20, .... Replace' in line


def test_own_data(tmp_path):
    own = own_dataset(
        dict(
            layout='mask_folders',
            title='My cells',
            labels=2,
            train=[
                dict(images='a/images', masks='a/masks'),
                dict(images='b/images', masks='b/masks', count=7),
            ],
            test=dict(images='c/images', masks='c/masks', mask_suffix='.tif'),
            root='data/cells',
        )
    )
    assert [part.count for part in own.train] == [None, 7]
    assert own.test[0].mask_suffix == '.tif' and own.test[0].labels == 2
    assert own.paths[:3] == ('a/images', 'b/images', 'c/images')
    assert own.root == 'data/cells'
    voc = own_dataset(
        dict(layout='voc_boxes', title='x', test='my/ImageSets/Main/val.txt')
    )
    assert voc.paths == (
        'my/ImageSets/Main/val.txt',
        'my/Annotations',
        'my/JPEGImages',
    )


@pytest.mark.parametrize(
    'literal, message',
    [
        (dict(layout='class_folder'), 'unknown layout .class_folder.. Did y'),
        (dict(title='x', test='a'), 'unknown layout ..'),
        (dict(layout='class_folders', title='x'), 'folders: test: Field req'),
        (dict(layout='class_folders', test='a'), 'title: Field required'),
        (
            dict(layout='class_folders', title='x', test='a', labels=3),
            'class_folders: labels: Extra inputs',
        ),
        (
            dict(layout='image_list', title='x', test='a.txt'),
            'image_list: images: Field required',
        ),
        (
            dict(layout='mask_folders', title='x', test=7),
            'mask_folders: images: Input should be a valid string',
        ),
    ],
)
def test_own_data_with_faults(literal, message):
    with pytest.raises(UserError, match=message) as caught:
        own_dataset(literal)
    assert '\n' not in str(caught.value)
