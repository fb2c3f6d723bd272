"""The VOC devkit: XML boxes, image sets, segmentation maps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.data.mini.folder import save_jpeg
from ssl_bench.data.mini.masks import extent
from ssl_bench.data.mini.names import CLASSES, voc_colour
from ssl_bench.data.mini.scene import Item, Scene, objects_scene

#: Below this share or this number of visible pixels an object is marked
#: difficult.
DIFFICULT_SHARE, DIFFICULT_PIXELS = 0.45, 100

Flags = dict[str, int]  # class name -> 1 present, 0 only difficult ones


def is_difficult(scene: Scene, index: int) -> bool:
    """Whether nobody could be blamed for missing ``items[index]``."""
    item = scene.items[index]
    return (
        item.visible < DIFFICULT_SHARE * item.area
        or item.visible < DIFFICULT_PIXELS
    )


def write_image(
    rng: np.random.Generator,
    folder: Path,
    image_id: str,
    size: int,
    segmentation: bool,
) -> Flags:
    """Write one image with its XML and, if asked, its label maps.

    Args:
        rng (np.random.Generator): Decides the scene.
        folder (Path): VOC2007 or VOC2012; its subfolders exist.
        image_id (str): Name without suffix.
        size (int): Longer side in pixels.
        segmentation (bool): Also write SegmentationClass and -Object.

    Returns:
        dict[str, int]: The classes in the image, for the image sets.
    """
    scene = objects_scene(rng, size)
    save_jpeg(rng, scene.image, folder / 'JPEGImages' / f'{image_id}.jpg')
    (folder / 'Annotations' / f'{image_id}.xml').write_text(
        annotation_xml(scene, folder.name, image_id, segmentation)
    )
    if segmentation:
        classes, objects = label_maps(scene)
        _save_palette(classes, folder / 'SegmentationClass', image_id)
        _save_palette(objects, folder / 'SegmentationObject', image_id)
    flags: Flags = {}
    for index, item in enumerate(scene.items):
        name = CLASSES[item.label]
        flags[name] = max(
            flags.get(name, 0), int(not is_difficult(scene, index))
        )
    return flags


def annotation_xml(
    scene: Scene, year: str, image_id: str, segmentation: bool
) -> str:
    """VOC's annotation of a scene."""
    width, height = scene.image.size
    objects = ''.join(
        _object_xml(scene, index, year) for index in range(len(scene.items))
    )
    return (
        f'<annotation>\n\t<folder>{year}</folder>\n'
        f'\t<filename>{image_id}.jpg</filename>\n'
        '\t<source>\n\t\t<database>ssl_bench mini</database>\n'
        '\t\t<annotation>ssl_bench mini</annotation>\n'
        '\t\t<image>composed</image>\n\t</source>\n'
        f'\t<size>\n\t\t<width>{width}</width>\n'
        f'\t\t<height>{height}</height>\n\t\t<depth>3</depth>\n'
        f'\t</size>\n\t<segmented>{int(segmentation)}</segmented>\n'
        f'{objects}</annotation>\n'
    )


def _object_xml(scene: Scene, index: int, year: str) -> str:
    item = scene.items[index]
    x1, y1, x2, y2 = extent(scene.mask(index))
    occluded = ''
    if year != 'VOC2007':  # the flag came with VOC2009
        hidden = item.visible < 0.95 * item.inside
        occluded = f'\t\t<occluded>{int(hidden)}</occluded>\n'
    return (
        f'\t<object>\n\t\t<name>{CLASSES[item.label]}</name>\n'
        f'\t\t<pose>{_pose(item)}</pose>\n'
        f'\t\t<truncated>{int(item.visible < 0.95 * item.area)}'
        f'</truncated>\n{occluded}'
        f'\t\t<difficult>{int(is_difficult(scene, index))}</difficult>\n'
        # 1-based, and the last pixel belongs to the box
        f'\t\t<bndbox>\n\t\t\t<xmin>{x1 + 1}</xmin>\n'
        f'\t\t\t<ymin>{y1 + 1}</ymin>\n\t\t\t<xmax>{x2}</xmax>\n'
        f'\t\t\t<ymax>{y2}</ymax>\n\t\t</bndbox>\n\t</object>\n'
    )


def _pose(item: Item) -> str:
    if abs(item.angle) < 0.15:
        return 'Frontal'
    return 'Left' if item.angle < 0 else 'Right'


def label_maps(scene: Scene) -> list[np.ndarray]:
    """Class and object maps, (H, W) uint8 each, 255 void.

    Void are, as in VOC, the borders (one pixel to each side of an edge) and
    the difficult objects.
    """
    owner = scene.owner
    border = np.zeros(owner.shape, bool)
    across = owner[:, 1:] != owner[:, :-1]
    border[:, 1:] |= across
    border[:, :-1] |= across
    down = owner[1:] != owner[:-1]
    border[1:] |= down
    border[:-1] |= down
    classes = np.zeros(len(scene.items) + 1, np.uint8)
    objects = np.arange(len(scene.items) + 1, dtype=np.uint8)
    for index, item in enumerate(scene.items):
        classes[index + 1] = item.label + 1
        if is_difficult(scene, index):
            classes[index + 1] = objects[index + 1] = 255
    return [
        np.where(border, np.uint8(255), table[owner])
        for table in (classes, objects)
    ]


def _save_palette(labels: np.ndarray, folder: Path, image_id: str) -> None:
    image = Image.fromarray(labels, 'L')
    image.putpalette(
        [value for index in range(256) for value in voc_colour(index)]
    )
    image.save(folder / f'{image_id}.png', 'PNG')


def write_image_sets(
    folder: Path, splits: dict[str, Sequence[str]], flags: dict[str, Flags]
) -> None:
    """Write ImageSets/Main: each split, and each class in each split.

    Args:
        folder (Path): VOC2007 or VOC2012.
        splits (dict[str, Sequence[str]]): Image ids of train, val, ...
        flags (dict[str, dict[str, int]]): Classes in each image.
    """
    main = folder / 'ImageSets' / 'Main'
    for split, ids in splits.items():
        (main / f'{split}.txt').write_text(''.join(f'{i}\n' for i in ids))
        for name in CLASSES:
            (main / f'{name}_{split}.txt').write_text(
                ''.join(f'{i} {flags[i].get(name, -1):2d}\n' for i in ids)
            )


def write_segmentation_sets(
    folder: Path, ids: Sequence[str], train: int, trainval: int
) -> None:
    """Write ImageSets/Segmentation: the first ``train`` ids, then val."""
    home = folder / 'ImageSets' / 'Segmentation'
    for split, part in (
        ('train', ids[:train]),
        ('val', ids[train:trainval]),
        ('trainval', ids[:trainval]),
    ):
        (home / f'{split}.txt').write_text(''.join(f'{i}\n' for i in part))
