"""Small own data with boxes and masks of objects."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 40
SHAPES = ('cross', 'disc', 'ring')
ENDINGS = ('.jpg', '.JPG', '.png', '.webp', '.jpeg')
XML = """<annotation><filename>other.jpg</filename>
<size><width>{side}</width><height>{side}</height><depth>3</depth></size>
{objects}</annotation>"""
OBJECT = """<object><name>{name}</name><difficult>{difficult}</difficult>
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax>
</bndbox></object>"""


def picture(path, seed):
    """Noise, so that no two files are the same."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def file_name(index, split):
    """Names with blanks, in two folders, of several endings."""
    folder = 'day 1/' if index % 2 else ''
    return f'{folder}{split} {index}{ENDINGS[index % len(ENDINGS)]}'


def coco_files(root, count=5, masks=True, classes=SHAPES):
    """Images and annotation files; the test's classes the other way round.

    Returns:
        tuple: What --train-data and --val-data name.
    """
    for part, split in enumerate(('train', 'val')):
        order = classes[::-1] if part else classes
        ids = {name: 100 * part + 3 * i + 2 for i, name in enumerate(order)}
        images, objects = [], []
        for index in range(count):
            name = file_name(index, split)
            picture(root / split / name, 1000 * part + index)
            images.append(
                dict(id=index, file_name=name, width=SIDE, height=SIDE)
            )
            x, label = 2 + index, classes[index % len(classes)]
            mask = [[x, 4, x + 12, 4, x + 12, 16, x, 16]]
            objects.append(
                dict(
                    id=index,
                    image_id=index,
                    category_id=ids[label],
                    bbox=[x, 4, 12, 12],
                    area=144,
                    iscrowd=0,
                    **(dict(segmentation=mask) if masks else {}),
                )
            )
        content = dict(
            images=images,
            annotations=objects,
            categories=[dict(id=ids[name], name=name) for name in order],
        )
        (root / f'{split}.json').write_text(json.dumps(content))
    return tuple(
        [str(root / split), str(root / f'{split}.json')]
        for split in ('train', 'val')
    )


def xml_files(root, count=5, classes=SHAPES):
    """Images and XML files next to each other's folders.

    Returns:
        tuple: What --train-data and --val-data name.
    """
    for part, split in enumerate(('train', 'val')):
        for index in range(count):
            name = file_name(index, split)
            picture(root / split / 'images' / name, 1000 * part + index)
            path = (root / split / 'labels' / name).with_suffix('.xml')
            path.parent.mkdir(parents=True, exist_ok=True)
            write_xml(path, [(classes[index % len(classes)], 0)], 3 + index)
    return tuple(
        [str(root / split / 'images'), str(root / split / 'labels')]
        for split in ('train', 'val')
    )


def write_xml(path, objects, left=3):
    """An XML file; of each object its class and whether it is difficult."""
    found = [
        OBJECT.format(left, 5, left + 9, 19, name=name, difficult=difficult)
        for name, difficult in objects
    ]
    path.write_text(
        XML.format(side=SIDE, objects=''.join(found)), encoding='utf-8'
    )


def change(path, edit):
    """Edit an annotation file."""
    content = json.loads(Path(path).read_text())
    edit(content)
    Path(path).write_text(json.dumps(content))
