"""Is a data set laid out, complete and sane? Reads lists, decodes a few."""

import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ssl_bench.tasks.annotation_rules import (
    NO_AREA,
    NO_MASK,
    OUTSIDE,
    annotation_fault,
)
from ssl_bench.tasks.datasets import Dataset
from ssl_bench.tasks.mask_files import mask_pairs, mask_problems
from ssl_bench.tasks.subsets import SUFFIXES
from ssl_bench.tasks.table import find_task

DECODED = 8  # images opened per list


class Note(str):
    """A line on what the readers leave out; nothing has to be mended."""


def check_task(
    task: str, root: str | Path | None = None, decode_all: bool = False
) -> list[str]:
    """Everything to say of the data of a task; empty when they are fine.

    Args:
        task (str): Task id.
        root (str | Path, optional): Data root; the task's own when None.
        decode_all (bool): Open every image and mask, not a few of each
            list.

    Returns:
        list[str]: Problems, and `Note`s on what is left out.

    Raises:
        UserError: Unknown task.
    """
    row = find_task(task)
    dataset, root = row.data, Path(root or row.root)
    missing = [
        f'{root / path} is missing'
        for path in dataset.paths
        if not (root / path).exists()
    ]
    if missing:
        return missing + [f'prepare: {dataset.prepare.format(root=root)}']
    found: list[str] = []
    for path in dataset.paths:
        full = root / path
        if path.startswith('inat18/') and path.endswith('.json'):
            found += inat_problems(full)
        elif path.endswith('.json'):
            found += coco_problems(full)
        elif '/ImageSets/Main/' in path:
            found += voc_problems(full, boxes=True)
        elif '/ImageSets/Segmentation/' in path:
            found += voc_problems(full, boxes=False)
        elif (
            path.endswith('.txt')
            and path.startswith('imagenet/')
            or path.endswith('.csv')
        ):
            found += list_problems(full, image_folder(root, path, full))
        elif path.startswith('imagenet') and full.is_dir():
            found += folder_problems(full)
    found += segmentation_problems(dataset, root, decode_all)
    for path, want in dataset.counts:
        got = count(root / path)
        if got != want:
            found.append(f'{root / path} holds {got} entries, expected {want}')
    if decode_all:
        folders = [
            root / path for path in dataset.paths if (root / path).is_dir()
        ]
        images = {
            path
            for folder in folders
            for path in folder.rglob('*')
            if path.suffix.lower() in SUFFIXES
        }
        images -= {pair.mask for pair in mask_pairs(dataset, root)}
        found += [
            line for line in broken_images(sorted(images)) if line not in found
        ]
    return found


def segmentation_problems(
    dataset: Dataset, root: Path, every: bool
) -> list[str]:
    """Masks that are missing, and of some or all those of no use."""
    pairs = mask_pairs(dataset, root)
    there = [pair for pair in pairs if pair.mask.is_file()]
    found = (
        []
        if '/ImageSets/' in dataset.paths[0]
        else some(
            'images without mask',  # a list's are told with the list
            [pair.image.name for pair in pairs if not pair.mask.is_file()],
            root,
        )
    )
    return found + list(
        mask_problems(there if every else spread(there), dataset.labels)
    )


def count(path: Path) -> int:
    """Lines of a list, images of an annotation file, classes of a folder."""
    if path.suffix == '.json':
        return len(json.loads(path.read_text())['images'])
    if path.is_file():
        return len(path.read_text().split('\n')) - 1
    entries = list(path.iterdir())
    folders = [entry for entry in entries if entry.is_dir()]
    return len(folders or entries)  # a README beside classes is none


def spread(items: list) -> list:
    """At most `DECODED` of them, evenly."""
    step = max(1, len(items) // DECODED)
    return items[::step][:DECODED]


def broken_images(paths: list[Path]) -> Iterator[str]:
    """Decode each and name those that do not."""
    from PIL import Image, UnidentifiedImageError

    for path in paths:
        try:
            with Image.open(path) as image:
                image.convert('RGB')
        except (OSError, UnidentifiedImageError, ValueError) as error:
            yield f'{path} cannot be decoded: {error}'


def some(what: str, names: list, where: Path, kind: type = str) -> list[str]:
    """One line for all files with the same fault, `Note` or str."""
    if not names:
        return []
    return [kind(f'{where}: {len(names)} {what}, first {names[0]}')]


def voc_problems(path: Path, boxes: bool) -> list[str]:
    """Check a list of image ids of a VOC devkit."""
    home = path.parents[2]
    ids = path.read_text().split()
    maps = (
        'SegmentationClassAug' if path.stem == 'aug' else 'SegmentationClass'
    )
    wanted = [
        ('JPEGImages', 'jpg'),
        ('Annotations', 'xml') if boxes else (maps, 'png'),
    ]
    found = [] if ids else [f'{path} names no image']
    for folder, suffix in wanted:
        there = {p.stem for p in (home / folder).glob(f'*.{suffix}')}
        found += some(
            f'images without {folder}/*.{suffix}',
            [i for i in ids if i not in there],
            path,
        )
    if not found:
        found += broken_images(
            [home / f'JPEGImages/{i}.jpg' for i in spread(ids)]
        )
        found += xml_problems(home, ids, path) if boxes else []
    return found


def xml_problems(home: Path, ids: list[str], path: Path) -> list[str]:
    """Unreadable annotations, and boxes that are empty."""
    unreadable, empty, bare = [], [], []
    for name in ids:
        try:
            root = ElementTree.parse(home / f'Annotations/{name}.xml')
            corners = [
                [
                    float(box.find(key).text)
                    for key in ('xmin', 'ymin', 'xmax', 'ymax')
                ]
                for box in root.findall('object/bndbox')
            ]
        except (ElementTree.ParseError, AttributeError, ValueError):
            unreadable.append(name)
            continue
        if not corners:
            bare.append(name)
        if any(x2 < x1 or y2 < y1 for x1, y1, x2, y2 in corners):
            empty.append(name)
    return (
        some('annotations cannot be read', unreadable, path)
        + some('images have no object (skipped in training)', bare, path, Note)
        + some('images have an empty box (left out)', empty, path, Note)
    )


def coco_problems(path: Path) -> list[str]:
    """Check an annotation file of COCO or LVIS, and its images."""
    lvis = path.stem.startswith('lvis_')
    split = path.stem.split('_')[-1]
    home = path.parents[1] / 'coco' if lvis else path.parents[1]
    try:
        content = json.loads(path.read_text())
        # LVIS names the folder, too: its val has images of COCO's train
        images = {
            row['id']: '/'.join(row['coco_url'].split('/')[-2:])
            if lvis
            else f'{split}/{row["file_name"]}'
            for row in content['images']
        }
        categories = {row['id'] for row in content['categories']}
        rows = content['annotations']
        useless = useless_annotations(content)
    except (ValueError, KeyError, TypeError) as error:
        return [f'{path} is no COCO annotation file: {error!r}']
    there = {
        f'{folder}/{entry.name}'
        for folder in {name.split('/')[0] for name in images.values()}
        if (home / folder).is_dir()
        for entry in (home / folder).iterdir()
    }
    faults: dict[str, list] = {
        f'images missing from {home}': [
            name for name in images.values() if name not in there
        ],
        'annotations of an unknown image': [
            row['id'] for row in rows if row['image_id'] not in images
        ],
        'annotations of an unknown category': [
            row['id'] for row in rows if row['category_id'] not in categories
        ],
        'annotation ids twice': [
            key
            for key, times in Counter(row['id'] for row in rows).items()
            if times > 1
        ],
    }
    found = [
        line
        for what, names in faults.items()
        for line in some(what, names, path)
    ]
    for what, ids in useless.items():
        scored = what == NO_MASK and split.startswith('val')
        found += (
            some(f'{what} to be scored against', ids, path)
            if scored
            else some(f'{what} (skipped)', ids, path, Note)
        )
    names = [name for name in images.values() if name in there]
    return found + list(broken_images([home / name for name in spread(names)]))


def useless_annotations(content: dict) -> dict[str, list]:
    """Ids of the annotations that the readers leave out, by reason."""
    images = {row['id']: row for row in content['images']}
    useless: dict[str, list] = {NO_AREA: [], OUTSIDE: [], NO_MASK: []}
    for row in content['annotations']:
        if row['image_id'] in images:
            reason = annotation_fault(row, images[row['image_id']])
            if reason is not None:
                useless[reason].append(row['id'])
    return useless


def folder_problems(folder: Path) -> list[str]:
    """Check an image folder of classes."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    if not classes:
        return [f'{folder} has no class folders']
    empty = [
        home.name
        for home in classes
        if not any(p.suffix.lower() in SUFFIXES for p in home.iterdir())
    ]
    found = some('classes hold no image', empty, folder)
    images = [
        next(p for p in sorted(home.iterdir()) if p.suffix.lower() in SUFFIXES)
        for home in spread(classes)
        if home.name not in empty
    ]
    return found + list(broken_images(images))


def image_folder(root: Path, path: str, full: Path) -> Path:
    """What the names in a list of images and labels are relative to."""
    if path.startswith('places205/'):
        real = root / 'places205/images256'
        split = full.stem.split('_')[0]
        return real if real.is_dir() else root / 'imagenet' / split
    return root / 'imagenet/train'


def list_problems(path: Path, folder: Path) -> list[str]:
    """Check lines of ``class/image label``."""
    rows = [
        line.rsplit(maxsplit=1)
        for line in path.read_text().splitlines()
        if line.strip()
    ]
    bad = [
        ' '.join(row) for row in rows if len(row) != 2 or not row[1].isdigit()
    ]
    if bad:
        return some('lines are not `class/image label`', bad, path)
    if not rows:
        return [f'{path} names no image']
    names = [name for name, _ in rows]
    found = some(
        'images missing from ' + str(folder),
        [name for name in spread(names) if not (folder / name).is_file()],
        path,
    )
    labels = {int(label) for _, label in rows}
    absent = sorted(set(range(max(labels))) - labels)
    found += some('labels have no image', list(map(str, absent)), path)
    return found or list(
        broken_images([folder / name for name in spread(names)])
    )


def inat_problems(path: Path) -> list[str]:
    """Check one of iNaturalist's annotation files, and a few images."""
    try:
        content = json.loads(path.read_text())
        names = {row['id']: row['file_name'] for row in content['images']}
        categories = {row['id'] for row in content['categories']}
        rows = [
            (row['image_id'], row['category_id'])
            for row in content['annotations']
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f'{path} is no annotation file of iNaturalist: {error!r}']
    stray = [
        str(image)
        for image, category in rows
        if image not in names or category not in categories
    ]
    files = spread(list(names.values()))
    found = some('annotations of an unknown image or category', stray, path)
    found += some(
        'images missing',
        [name for name in files if not (path.parent / name).is_file()],
        path,
    )
    return found or list(broken_images([path.parent / name for name in files]))
