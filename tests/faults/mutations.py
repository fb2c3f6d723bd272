"""Ways in which data go wrong, each a small change of the embedded sets.

A mutation is a function of the data root and a random generator. `MUTATIONS`
has them by task and name.
"""

import json
import os
import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

Mutation = Callable[[Path, random.Random], None]
VOC = 'VOCdevkit/VOC2007'
SEG = 'VOCdevkit/VOC2012'
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha">'
    + ''.join(
        f'<!ENTITY {new} "{f"&{old};" * 10}">'
        for old, new in zip('abcdefgh', 'bcdefghi')
    )
    + ']>'
)


# files of the sets -----------------------------------------------------------


def lists(root: Path, kind: str) -> list[Path]:
    """The lists of one kind: Main (VOC2007), Segmentation, or meta."""
    home = root / (VOC if kind == 'Main' else SEG) / 'ImageSets' / kind
    names = ('trainval', 'test') if kind == 'Main' else ('train', 'val')
    return [home / f'{name}.txt' for name in names]


def names_of(path: Path) -> list[str]:
    return path.read_text().split()


def oblong(home: Path, path: Path) -> list[str]:
    """Of a list, those whose image is not square: turning them shows."""
    found = []
    for name in names_of(path):
        with Image.open(home / f'JPEGImages/{name}.jpg') as image:
            if image.width != image.height:
                found.append(name)
    return found


def voc_file(root: Path, rng: random.Random, folder: str) -> Path:
    """A random annotation or image of a random list."""
    name = rng.choice(oblong(root / VOC, rng.choice(lists(root, 'Main'))))
    ending = 'xml' if folder == 'Annotations' else 'jpg'
    return root / VOC / folder / f'{name}.{ending}'


def seg_file(root: Path, rng: random.Random, folder: str) -> Path:
    path = rng.choice(lists(root, 'Segmentation'))
    name = rng.choice(oblong(root / SEG, path))
    ending = 'jpg' if folder == 'JPEGImages' else 'png'
    return root / SEG / folder / f'{name}.{ending}'


def class_folder(root: Path, rng: random.Random) -> Path:
    split = rng.choice(('train', 'val'))
    return rng.choice(sorted((root / 'imagenet' / split).iterdir()))


def folder_image(root: Path, rng: random.Random) -> Path:
    return rng.choice(sorted(class_folder(root, rng).iterdir()))


# changes of a text -----------------------------------------------------------


def replaced(old: str, new: str) -> Callable[[str], str]:
    """Replace a text where it is first, or all between two tags."""

    def change(text: str) -> str:
        if '*' not in old:
            return text.replace(old, new, 1)
        start, end = old.split('*')
        first = text.index(start)
        last = text.index(end, first + len(start)) + len(end)
        return text[:first] + new + text[last:]

    return change


def box(values: str) -> Callable[[str], str]:
    """Another first box."""
    tags = zip(('xmin', 'ymin', 'xmax', 'ymax'), values.split())
    inner = ''.join(f'<{tag}>{value}</{tag}>' for tag, value in tags)
    return replaced('<bndbox>*</bndbox>', f'<bndbox>{inner}</bndbox>')


XML: dict[str, Callable[[str], str]] = {
    'empty difficult': replaced('<difficult>*</difficult>', '<difficult/>'),
    'no difficult': replaced('<difficult>*</difficult>', ''),
    'difficult is a word': replaced(
        '<difficult>*</difficult>', '<difficult>yes</difficult>'
    ),
    'difficult is a float': replaced(
        '<difficult>*</difficult>', '<difficult>0.0</difficult>'
    ),
    'blanks around a class': lambda t: t.replace(
        '</name>', ' </name>', 1
    ).replace('<name>', '<name>\n ', 1),
    'unknown class': replaced('<name>*</name>', '<name>dragon</name>'),
    'class in capitals': lambda t: t.replace(
        t[t.index('<name>') : t.index('</name>')],
        t[t.index('<name>') : t.index('</name>')]
        .upper()
        .replace('<NAME>', '<name>'),
        1,
    ),
    'empty class': replaced('<name>*</name>', '<name/>'),
    'no class': replaced('<name>*</name>', ''),
    'no box': replaced('<bndbox>*</bndbox>', ''),
    'no corner': replaced('<xmin>*</xmin>', ''),
    'no size': replaced('<size>*</size>', ''),
    'size of 0': replaced('<width>*</width>', '<width>0</width>'),
    'no width': replaced('<width>*</width>', ''),
    'float size': replaced('</width>', '.0</width>'),
    'other size': replaced('<width>*</width>', '<width>33</width>'),
    'size nan': replaced('<width>*</width>', '<width>nan</width>'),
    'nan box': box('nan 1 9 9'),
    'inf box': box('1 1 inf 9'),
    'huge box': box('1 1 1e999 9'),
    'box of 5000 digits': box(f'1 1 {"9" * 5000} 9'),
    'fractions': box('0.1 0.2 0.5 0.6'),
    'box outside': box('9000 9000 9010 9010'),
    'negative box': box('-50 -50 -9 -9'),
    'box beyond': box('5 5 9000 40'),
    'box from 0': box('0 0 20 20'),
    'xmin above xmax': box('30 5 20 40'),
    'box of a pixel': box('9 9 9 9'),
    'box in words': box('left top 9 9'),
    'float box': box('5.6 5.6 40.2 41.9'),
    'doctype': lambda t: '<!DOCTYPE annotation>' + t,
    'bomb': lambda t: LAUGHS + t.replace('</name>', '&i;</name>', 1),
    'external entity': lambda t: (
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>'
        + t.replace('</name>', '&e;</name>', 1)
    ),
    'other root': lambda t: f'<annotations>{t}</annotations>',
    'no object': lambda t: (
        t[: t.index('<object>')] + t[t.rindex('</object>') + 9 :]
    ),
    'truncated': lambda t: t[: len(t) // 2],
    'empty': lambda t: '',
    'unknown encoding': lambda t: f'<?xml version="1.0" encoding="foo"?>{t}',
}
LINES: dict[str, Callable[[str], str]] = {
    'crlf': lambda t: t.replace('\n', '\r\n'),
    'byte order mark': lambda t: '\ufeff' + t,
    'blank lines': lambda t: '\n\n' + t.replace('\n', '\n\n'),
    'trailing blanks': lambda t: t.replace('\n', '  \t\n'),
    'no last line end': str.rstrip,
    'a line twice': lambda t: t + t.splitlines()[0] + '\n',
    'a name that is missing': lambda t: t + 'nothing\n',
    'empty list': lambda t: '',
    'only blanks': lambda t: ' \n\n',
    'names with an ending': lambda t: t.replace('\n', '.jpg\n'),
    'names with flags': lambda t: t.replace('\n', '  1\n'),
}
LABELS: dict[str, Callable[[str], str]] = {
    **{k: v for k, v in LINES.items() if not k.startswith('names')},
    'tabs': lambda t: t.replace(' ', '\t'),
    'label beyond': lambda t: t.replace(t.split()[1], '99', 1),
    'label of 12 digits': lambda t: _relabel(t, '999999999999'),
    'label of 5000 digits': lambda t: _relabel(t, '9' * 5000),
    'negative label': lambda t: _relabel(t, '-1'),
    'label is a word': lambda t: _relabel(t, 'cat'),
    'label is a float': lambda t: _relabel(t, '1.0'),
    'label of another class': lambda t: _relabel(t, '7'),
    'a label is missing': lambda t: t.replace(' 0', '', 1),
    'no labels': lambda t: ''.join(
        line.split()[0] + '\n' for line in t.splitlines()
    ),
    'labels first': lambda t: ''.join(
        ' '.join(reversed(line.split())) + '\n' for line in t.splitlines()
    ),
    'absolute name': lambda t: '/' + t,
    'no image': lambda t: t + 'arrow/notes.txt 0\n',
}


def _relabel(text: str, label: str) -> str:
    first, rest = text.split('\n', 1)
    return f'{first.split()[0]} {label}\n{rest}'


def in_text(
    choose: Callable[[Path, random.Random], Path],
    change: Callable[[str], str],
    root: Path,
    rng: random.Random,
) -> None:
    path = choose(root, rng)
    path.write_bytes(change(path.read_text()).encode())


# changes of a file -----------------------------------------------------------


def _save(path: Path, image: Image.Image, kind: str = '', **options) -> None:
    kind = kind or {'.jpg': 'JPEG', '.png': 'PNG'}[path.suffix]
    image.save(path, kind, **options)


def _oriented(path: Path, turn: int) -> None:
    image = Image.open(path)
    image.load()
    exif = Image.Exif()
    exif[0x0112] = turn
    _save(path, image, exif=exif.tobytes(), quality=95)


def _converted(path: Path, mode: str, kind: str = '') -> None:
    with Image.open(path) as image:
        new = image.convert(mode)
    _save(path, new, kind)


def _resized(path: Path, factor: float) -> None:
    with Image.open(path) as image:
        size = [max(1, round(side * factor)) for side in image.size]
        new = image.resize(size, Image.Resampling.NEAREST)
    _save(path, new)


def _linked(path: Path) -> None:
    moved = path.with_name(f'.{path.name}.original')
    path.rename(moved)
    path.symlink_to(moved.name)


def _gone_link(path: Path) -> None:
    path.unlink()
    path.symlink_to('/nowhere/x')


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.unlink()
    path.symlink_to('/dev/zero')


def _deep(path: Path) -> None:
    """16 bit, as a scanner writes it."""
    with Image.open(path) as image:
        grey = np.asarray(image.convert('L')).astype(np.uint16) * 257
    Image.fromarray(grey).save(path, 'PNG')


FILES: dict[str, Callable[[Path], object]] = {
    'is not there': Path.unlink,
    'is a folder': _folder,
    'is a pipe': _fifo,
    'is a device': _device,
    'is a link': _linked,
    'is a link to nothing': _gone_link,
    'is empty': lambda path: path.write_bytes(b''),
}
PICTURES: dict[str, Callable[[Path], object]] = {
    **FILES,
    'is truncated': lambda path: path.write_bytes(
        path.read_bytes()[: path.stat().st_size // 2]
    ),
    'is a text': lambda path: path.write_text('no image'),
    'lies on its side': partial(_oriented, turn=6),
    'is upside down': partial(_oriented, turn=3),
    'is grey': partial(_converted, mode='L'),
    'is CMYK': partial(_converted, mode='CMYK'),
    'is a PNG inside': partial(_converted, mode='RGBA', kind='PNG'),
    'is a palette image': partial(_converted, mode='P', kind='PNG'),
    'has 16 bit': _deep,
    'has another size': partial(_resized, factor=0.5),
}


def in_file(
    choose: Callable[[Path, random.Random], Path],
    change: Callable[[Path], object],
    root: Path,
    rng: random.Random,
) -> None:
    change(choose(root, rng))


def mask(change: Callable[[np.ndarray], Image.Image], kind: str = 'PNG'):
    """A mutation of a mask's array."""

    def run(path: Path) -> None:
        with Image.open(path) as image:
            labels = np.array(image)
        change(labels).save(path, kind)

    return run


def _deep_mask(labels: np.ndarray, add: int = 0) -> Image.Image:
    labels = labels.astype(np.uint16)
    labels[0, 0] += add
    return Image.fromarray(labels)


def _colours(labels: np.ndarray, channels: int = 3) -> Image.Image:
    return Image.fromarray(np.repeat(labels[..., None], channels, axis=2))


def _with(labels: np.ndarray, label: int) -> Image.Image:
    labels[:3, :3] = label
    return Image.fromarray(labels)


def _transposed(labels: np.ndarray) -> Image.Image:
    """Of a square image nobody could tell."""
    return Image.fromarray(labels[: labels.shape[0] * 3 // 4].T.copy())


MASKS: dict[str, Callable[[Path], object]] = {
    **FILES,
    'is truncated': PICTURES['is truncated'],
    'has a label beyond': mask(partial(_with, label=77)),
    'has a label just beyond': mask(partial(_with, label=9)),
    'is RGB': mask(_colours),
    'is RGBA': mask(partial(_colours, channels=4)),
    'is grey and alpha': mask(partial(_colours, channels=2)),
    'has one bit': mask(lambda a: Image.fromarray(a > 0).convert('1')),
    'has 16 bit': mask(_deep_mask),
    'has 16 bit and label 256': mask(partial(_deep_mask, add=256)),
    'has 32 bit': mask(lambda a: Image.fromarray(a.astype(np.int32)), 'TIFF'),
    'has negative labels': mask(
        lambda a: Image.fromarray(a.astype(np.int32) - 1), 'TIFF'
    ),
    'has fractions': mask(
        lambda a: Image.fromarray(a.astype(np.float32) / 2), 'TIFF'
    ),
    'is a JPEG': mask(Image.fromarray, 'JPEG'),
    'is a WebP': mask(lambda a: _colours(a), 'WEBP'),
    'has another size': partial(_resized, factor=0.5),
    'is transposed': mask(_transposed),
    'is all ignored': mask(lambda a: Image.fromarray(a * 0 + 255)),
    'has one class': mask(lambda a: Image.fromarray(a * 0)),
}


def all_masks(
    change: Callable[[np.ndarray], np.ndarray], root: Path, rng: random.Random
) -> None:
    for path in (root / SEG / 'SegmentationClass').glob('*.png'):
        with Image.open(path) as image:
            labels = np.array(image)
        Image.fromarray(change(labels).astype(np.uint8)).save(path)


# changes of a folder ---------------------------------------------------------


def _renamed(root: Path, rng: random.Random, name: str, one: bool) -> None:
    """Rename a class in both splits, or in one."""
    old = class_folder(root, rng).name
    splits = [rng.choice(('train', 'val'))] if one else ['train', 'val']
    for split in splits:
        home = root / 'imagenet' / split
        (home / old).rename(home / name.replace('*', old))


def _extra(root: Path, rng: random.Random, name: str) -> None:
    """A further folder with images in both splits."""
    for split in ('train', 'val'):
        home = root / 'imagenet' / split
        shutil.copytree(home / 'star', home / name)


def _endings(root: Path, rng: random.Random, ending: str, every: bool) -> None:
    """Other endings for the images of a class."""
    paths = sorted(class_folder(root, rng).iterdir())
    for path in paths if every else paths[:1]:
        path.rename(path.with_suffix(ending))


def _emptied(root: Path, rng: random.Random) -> None:
    folder = class_folder(root, rng)
    shutil.rmtree(folder)
    folder.mkdir()


def _nested(root: Path, rng: random.Random, both: bool) -> None:
    """A folder too many between the split and its classes."""
    for split in ('train', 'val') if both else ('val',):
        home = root / 'imagenet' / split
        home.rename(root / 'moved')
        home.mkdir()
        (root / 'moved').rename(home / split)


def _below(root: Path, rng: random.Random) -> None:
    """Images of a class in a folder of their own."""
    folder = class_folder(root, rng)
    folder.rename(root / 'moved')
    folder.mkdir()
    (root / 'moved').rename(folder / 'images')


def _flat(root: Path, rng: random.Random) -> None:
    home = root / 'imagenet' / rng.choice(('train', 'val'))
    for folder in sorted(home.iterdir()):
        for path in folder.iterdir():
            path.rename(home / path.name)
        folder.rmdir()


def _class_link(root: Path, rng: random.Random) -> None:
    folder = class_folder(root, rng)
    folder.rename(root / 'elsewhere')
    folder.symlink_to(root / 'elsewhere')


def _loop(root: Path, rng: random.Random) -> None:
    folder = class_folder(root, rng)
    (folder / 'again').symlink_to(folder)


def _litter(root: Path, rng: random.Random, name: str) -> None:
    folder = class_folder(root, rng)
    (folder / name).write_bytes(b'\0\5\26\7')


def _split_is(root: Path, rng: random.Random, file: bool) -> None:
    home = root / 'imagenet' / rng.choice(('train', 'val'))
    shutil.rmtree(home)
    if file:
        home.write_text('')
    else:
        home.mkdir()


def _gone(root: Path, rng: random.Random, one: bool) -> None:
    """A class that one split, or both, does not have."""
    name = class_folder(root, rng).name
    for split in [rng.choice(('train', 'val'))] if one else ['train', 'val']:
        shutil.rmtree(root / 'imagenet' / split / name)


def _two_classes(root: Path, rng: random.Random) -> None:
    """All but one class gone from both splits."""
    for split in ('train', 'val'):
        for folder in sorted((root / 'imagenet' / split).iterdir())[1:]:
            shutil.rmtree(folder)


FOLDERS: dict[str, Mutation] = {
    'a hidden folder': partial(_extra, name='.ipynb_checkpoints'),
    'a Synology folder': partial(_extra, name='@eaDir'),
    'a Mac folder': partial(_extra, name='__MACOSX'),
    'one more class': partial(_extra, name='zebra'),
    'an empty class': _emptied,
    'a class of .gif': partial(_endings, ending='.gif', every=True),
    'a class of .heic': partial(_endings, ending='.heic', every=True),
    'an image is .heic': partial(_endings, ending='.heic', every=False),
    'a class of .JPG': partial(_endings, ending='.JPG', every=True),
    'a class of .webp': partial(_endings, ending='.webp', every=True),
    'a class renamed': partial(_renamed, name='zebra', one=False),
    'a class renamed in one': partial(_renamed, name='zebra', one=True),
    'a class with a blank': partial(_renamed, name='* ', one=False),
    'a class with a blank in one': partial(_renamed, name='* ', one=True),
    'a class of two words': partial(_renamed, name='red *', one=False),
    'a class gone': partial(_gone, one=False),
    'a class gone from one': partial(_gone, one=True),
    'one class': _two_classes,
    'nested': partial(_nested, both=True),
    'val nested': partial(_nested, both=False),
    'images in a folder of the class': _below,
    'no class folders': _flat,
    'a class is a link': _class_link,
    'a class has a loop': _loop,
    'an AppleDouble file': partial(_litter, name='._arrow.jpg'),
    'a .DS_Store': partial(_litter, name='.DS_Store'),
    'a Thumbs.db': partial(_litter, name='Thumbs.db'),
    'a split is empty': partial(_split_is, file=False),
    'a split is a file': partial(_split_is, file=True),
}


# changes of a JSON file ------------------------------------------------------


def in_json(
    path: str, change: Callable[[dict], object], root: Path, rng: random.Random
) -> None:
    file = root / path.replace('*', rng.choice(('train', 'val')))
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def put(place: str, **values) -> Callable[[dict], object]:
    """Change the first row of a table; ... removes a key."""

    def run(content: dict) -> None:
        row = content[place][0]
        row.update(values)
        for key in [key for key, value in row.items() if value is ...]:
            del row[key]

    return run


def twice(place: str) -> Callable[[dict], object]:
    return lambda content: content[place].append(dict(content[place][0]))


INAT: dict[str, Callable[[dict], object]] = {
    'no categories': lambda c: c.pop('categories'),
    'no images': lambda c: c.pop('images'),
    'an image twice': twice('images'),
    'a label twice': twice('annotations'),
    'a category twice': twice('categories'),
    'two labels': lambda c: c['annotations'].append(
        dict(c['annotations'][0], category_id=c['categories'][-1]['id'])
    ),
    'a file name that is a number': put('images', file_name=7),
    'an absolute file name': put('images', file_name='/etc/x.jpg'),
    'an unknown category': put('annotations', category_id=999),
    'a text as category': put('annotations', category_id='1'),
    'a list as category': put('annotations', category_id=[1]),
    'a list as image': put('annotations', image_id=[1]),
    'an id that is a list': put('images', id=[1]),
    'no label': lambda c: c['annotations'].pop(),
    'no labels': lambda c: c['annotations'].clear(),
    'a row that is a number': lambda c: c['images'].append(3),
    'a class without images': lambda c: c['categories'].append(
        dict(id=99, name='zebra')
    ),
}
COCO: dict[str, Callable[[dict], object]] = {
    'no categories': lambda c: c.pop('categories'),
    'an image twice': twice('images'),
    'a box twice': twice('annotations'),
    'a category twice': twice('categories'),
    'other classes': lambda c: [
        row.update(name=f'my {row["name"]}') for row in c['categories']
    ],
    'classes in another order': lambda c: c['categories'].reverse(),
    'boxes alone': lambda c: [
        row.pop('segmentation') for row in c['annotations']
    ],
    'no iscrowd': put('annotations', iscrowd=...),
    'no area': put('annotations', area=...),
    'no box': put('annotations', bbox=...),
    'nan box': put('annotations', bbox=[float('nan'), 1, 9, 9]),
    'inf box': put('annotations', bbox=[1, 1, float('inf'), 9]),
    'fractions': put('annotations', bbox=[0.1, 0.2, 0.3, 0.4]),
    'box of text': put('annotations', bbox=['1', '1', '9', '9']),
    'box outside': put('annotations', bbox=[9000, 9000, 9, 9]),
    'one point': put('annotations', segmentation=[[5, 5]]),
    'no mask': put('annotations', segmentation=[]),
    'run lengths': put(
        'annotations', segmentation=dict(size=[9, 9], counts=[0, 81])
    ),
    'unknown category': put('annotations', category_id=999),
    'text ids': put('annotations', image_id='1'),
    'other size': put('images', width=33),
    'float size': lambda c: [
        row.update(width=float(row['width'])) for row in c['images']
    ],
    'a file name that is a number': put('images', file_name=7),
    'no objects': lambda c: c['annotations'].clear(),
    'all crowd': lambda c: [r.update(iscrowd=1) for r in c['annotations']],
    'all ignored': lambda c: [r.update(ignore=1) for r in c['annotations']],
    'a row that is a number': lambda c: c['annotations'].append(3),
}
TEXTS: dict[str, Callable[[Path], object]] = {
    **FILES,
    'is truncated': lambda path: path.write_text(path.read_text()[:-99]),
    'is a list': lambda path: path.write_text('[]'),
    'is deep': lambda path: path.write_text('[' * 10**5),
    'is not UTF-8': lambda path: path.write_bytes(b'\xff\xfe\xe9{'),
}


def _one_of(path: str, root: Path, rng: random.Random) -> Path:
    return root / path.replace('*', rng.choice(('train', 'val')))


def _semi(root: Path, rng: random.Random) -> Path:
    return root / 'imagenet/meta/semi10.txt'


def _list_of(kind: str, root: Path, rng: random.Random) -> Path:
    return rng.choice(lists(root, kind))


def _moved_names(new: str, root: Path, rng: random.Random) -> None:
    """Rename one image of a VOC list, with its annotation."""
    path = rng.choice(lists(root, 'Main'))
    old = rng.choice(names_of(path))
    name = new.replace('*', old)
    home = root / VOC
    for folder, ending in (('JPEGImages', 'jpg'), ('Annotations', 'xml')):
        target = home / folder / f'{name}.{ending}'
        target.parent.mkdir(parents=True, exist_ok=True)
        (home / folder / f'{old}.{ending}').rename(target)
    for other in (home / 'ImageSets/Main').glob('*.txt'):
        other.write_text(
            ''.join(
                (name if line == old else line) + '\n'
                for line in other.read_text().splitlines()
            )
        )


def _bytes(change: Callable[[bytes], bytes], path: Path) -> None:
    path.write_bytes(change(path.read_bytes()))


def named(prefix: str, changes: dict, wrap: Callable) -> dict[str, Mutation]:
    return {
        f'{prefix} {name}': wrap(change) for name, change in changes.items()
    }


_xml = partial(voc_file, folder='Annotations')
_photo = partial(voc_file, folder='JPEGImages')
VOC_ALL: dict[str, Mutation] = {
    **named('xml:', XML, lambda c: partial(in_text, _xml, c)),
    **named('xml', FILES, lambda c: partial(in_file, _xml, c)),
    'xml in latin-1': partial(
        in_file,
        _xml,
        partial(_bytes, lambda b: b.replace(b'<name>', b'<name>\xe9', 1)),
    ),
    'xml in UTF-16': partial(
        in_file, _xml, partial(_bytes, lambda b: b.decode().encode('utf-16'))
    ),
    **named('image', PICTURES, lambda c: partial(in_file, _photo, c)),
    **named(
        'list:',
        LINES,
        lambda c: partial(in_text, partial(_list_of, 'Main'), c),
    ),
    **named(
        'list',
        {**FILES, 'is not UTF-8': TEXTS['is not UTF-8']},
        lambda c: partial(in_file, partial(_list_of, 'Main'), c),
    ),
    'names with blanks': partial(_moved_names, 'my photo *'),
    'names in folders': partial(_moved_names, 'day/*'),
}
MUTATIONS: dict[str, dict[str, Mutation]] = {
    'mini_voc_det_c4': VOC_ALL,
    'mini_voc07_svm': VOC_ALL,
    'mini_seg_fcn': {
        **named(
            'mask',
            MASKS,
            lambda c: partial(
                in_file, partial(seg_file, folder='SegmentationClass'), c
            ),
        ),
        **named(
            'image',
            PICTURES,
            lambda c: partial(
                in_file, partial(seg_file, folder='JPEGImages'), c
            ),
        ),
        **named(
            'list:',
            LINES,
            lambda c: partial(in_text, partial(_list_of, 'Segmentation'), c),
        ),
        'masks of 0 and 255': partial(
            all_masks, lambda a: np.where((a > 0) & (a < 255), 255, 0)
        ),
        'masks all ignored': partial(all_masks, lambda a: a * 0 + 255),
        'masks of one class': partial(all_masks, lambda a: a * 0 + 3),
        'masks beyond the classes': partial(
            all_masks, lambda a: np.where(a == 255, 255, a + 9)
        ),
    },
    **{
        task: {
            **FOLDERS,
            **named(
                'a file', PICTURES, lambda c: partial(in_file, folder_image, c)
            ),
        }
        for task in ('mini_knn', 'mini_linear')
    },
    'mini_semi10': named(
        'list:', LABELS, lambda c: partial(in_text, _semi, c)
    ),
    'mini_places_linear': named(
        'list:',
        # its labels have any order
        {k: v for k, v in LABELS.items() if k != 'label of another class'},
        lambda c: partial(
            in_text,
            partial(
                _one_of, 'places205/trainvalsplit_places205/*_places205.csv'
            ),
            c,
        ),
    ),
    'mini_inat_linear': {
        **named(
            'json:', INAT, lambda c: partial(in_json, 'inat18/*2018.json', c)
        ),
        **named(
            'json',
            TEXTS,
            lambda c: partial(
                in_file, partial(_one_of, 'inat18/*2018.json'), c
            ),
        ),
    },
    'mini_coco_mrcnn_fpn': {
        **named(
            'json:',
            COCO,
            lambda c: partial(
                in_json, 'coco/annotations/instances_*2017.json', c
            ),
        ),
        **named(
            'json',
            TEXTS,
            lambda c: partial(
                in_file,
                partial(_one_of, 'coco/annotations/instances_*2017.json'),
                c,
            ),
        ),
    },
}

# what is to be read as if nothing had happened
HARMLESS = frozenset(
    (
        'xml: empty difficult',
        'xml: no difficult',
        'xml: blanks around a class',
        'xml: no size',
        'xml: size of 0',
        'xml: float size',
        'xml: box of a pixel',
        'xml: float box',
        'xml is a link',
        'xml in UTF-16',
        'image is a link',
        'image is grey',
        'image is CMYK',
        'image is a PNG inside',
        'image is a palette image',
        'image has 16 bit',
        'list: crlf',
        'list: byte order mark',
        'list: blank lines',
        'list: trailing blanks',
        'list: no last line end',
        'list: tabs',
        'list: no labels',
        'list: a label is missing',
        'list: labels first',
        'list is a link',
        'names with blanks',
        'names in folders',
        'mask is a link',
        'mask has 16 bit',
        'mask has 32 bit',
        'mask has one bit',
        'mask has one class',
        'a hidden folder',
        'a Synology folder',
        'a Mac folder',
        'a class of .JPG',
        'a class of .gif',
        'a class of .webp',
        'a class renamed',
        'a class of two words',
        'a class is a link',
        'a class has a loop',
        'an AppleDouble file',
        'a .DS_Store',
        'json is a link',
        # a folder has the images that it has, of any size
        'a file is not there',
        'a file is a folder',
        'a file is a pipe',
        'a file is a device',
        'a file is a link to nothing',
        'a file is a link',
        'a file is upside down',
        'a file lies on its side',
        'a file is grey',
        'a file is CMYK',
        'a file is a PNG inside',
        'a file is a palette image',
        'a file has 16 bit',
        'a file has another size',
    )
)
# of another number of images or classes a run's record says so
COUNTED = frozenset(('one more class', 'a class gone'))
