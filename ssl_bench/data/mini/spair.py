"""The SPair-71k set: objects of a class, key points, and pairs of them."""

import json
import math
from itertools import permutations
from pathlib import Path

import numpy as np

from ssl_bench.data.mini.folder import save_jpeg
from ssl_bench.data.mini.masks import extent
from ssl_bench.data.mini.names import CLASSES
from ssl_bench.data.mini.paint import Scene, new_scene, paste, record
from ssl_bench.data.mini.scene import add_clutter, add_companion, frame
from ssl_bench.data.mini.shapes import draw, key_points, outline, pose

#: Side of the object (square root of its area), in short sides of the frame.
SIDE = (0.28, 0.52)
#: The one class that differs from its mirror image.
CHIRAL = 'crescent'
#: Limits between easy, medium and hard pairs: radians by which the objects
#: are turned, and how many times as large one box's longer side is.
TURNS, SCALES = (0.25, 0.6), (1.3, 1.6)


def object_scene(
    rng: np.random.Generator, label: int, size: int
) -> tuple[Scene, dict[str, list[int] | None], bool]:
    """An object of a class with others, some of which hide parts of it.

    Args:
        rng (np.random.Generator): Decides everything else.
        label (int): Class of the object.
        size (int): Longer side in pixels.

    Returns:
        tuple: The scene, whose first item is the object; the place of every
        key point as x and y in whole pixels, None if it does not show; and
        whether the object is mirrored.
    """
    width, height = frame(rng, size)
    short = min(width, height)
    scene = new_scene(rng, (width, height))
    add_clutter(rng, scene, int(rng.integers(0, 3)), keep=0.0)
    mirrored = bool(rng.random() < 0.5) and CLASSES[label] == CHIRAL
    angle = rng.uniform(-0.5, 0.5)
    side = rng.uniform(*SIDE) * short
    matrix = np.diag([-1.0 if mirrored else 1.0, 1.0]) @ pose(rng, side, angle)
    drawn = draw(outline(CLASSES[label]), matrix)
    whole = None
    while whole is None:
        low = 0.35 if rng.random() < 0.15 else 0.6  # at times cut
        corner = (
            _corner(rng, width, drawn.width, low),
            _corner(rng, height, drawn.height, low),
        )
        whole = paste(rng, scene, drawn.alpha, corner, 0.0, rim=True)
    record(scene, label, angle, *whole)
    for _ in range(rng.integers(0, 3)):
        other = (label + int(rng.integers(1, len(CLASSES)))) % len(CLASSES)
        add_companion(rng, scene, other, rng.uniform(0.14, 0.24) * short)
    add_clutter(rng, scene, int(rng.integers(0, 2)), keep=0.7)
    places = key_points(CLASSES[label]) @ matrix - drawn.low + corner
    return scene, visible(scene, whole[0], places), mirrored


def _corner(
    rng: np.random.Generator, frame_side: int, side: float, low: float
) -> int:
    """Where a side of a shape starts; its centre is ``low`` from an end."""
    margin = min(low * side, frame_side / 2)
    return round(rng.uniform(margin, frame_side - margin) - side / 2)


def visible(
    scene: Scene, whole: np.ndarray, places: np.ndarray
) -> dict[str, list[int] | None]:
    """The pixels of the key points of the scene's first item that show.

    A point lies on an outline, so at times in a pixel of which the object
    has less than half: it shows if all of the object that is within one
    pixel of it does.

    Args:
        scene (Scene): All that hides is in it.
        whole (np.ndarray): (H, W) bool, the object if nothing hid it.
        places (np.ndarray): (K, 2) x and y, from the frame's corner.
    """
    height, width = whole.shape
    points: dict[str, list[int] | None] = {}
    for index, (x, y) in enumerate(np.floor(places).astype(int).tolist()):
        around = (
            slice(max(y - 1, 0), max(y + 2, 0)),
            slice(max(x - 1, 0), max(x + 2, 0)),
        )
        needed = whole[around]
        shows = (
            0 <= x < width
            and 0 <= y < height
            and needed.any()
            and scene.mask(0)[around][needed].all()
        )
        points[str(index)] = [x, y] if shows else None
    return points


def write_image(
    rng: np.random.Generator, home: Path, label: int, name: str, size: int
) -> dict:
    """Write one picture and its annotation.

    Args:
        rng (np.random.Generator): Decides the scene.
        home (Path): SPair-71k; its subfolders exist.
        label (int): Class of the object.
        name (str): Name without suffix.
        size (int): Longer side in pixels.

    Returns:
        dict: The annotation, with ``angle`` and ``mirrored`` for the pairs.
    """
    scene, points, mirrored = object_scene(rng, label, size)
    category, item = CLASSES[label], scene.items[0]
    save_jpeg(rng, scene.image, home / 'JPEGImages' / category / f'{name}.jpg')
    width, height = scene.image.size
    annotation = dict(
        filename=f'{name}.jpg',
        src_database='ssl_bench mini',
        src_annotation='ssl_bench mini',
        src_image='composed',
        image_width=width,
        image_height=height,
        image_depth=3,
        category=category,
        pose='Unspecified',
        truncated=int(item.inside < item.area),
        occluded=int(item.visible < item.inside),
        difficult=0,
        bndbox=list(extent(scene.mask(0))),
        kps=points,
        azimuth_id=0,
    )
    target = home / 'ImageAnnotation' / category / f'{name}.json'
    target.write_text(json.dumps(annotation) + '\n')
    return dict(annotation, angle=item.angle, mirrored=mirrored)


def write_pairs(home: Path, split: str, images: list[dict]) -> None:
    """Write the pairs of a split, in both directions, and their list.

    Args:
        home (Path): SPair-71k; its subfolders exist.
        split (str): trn, val or test.
        images (list[dict]): What `write_image` gave.
    """
    names: list[str] = []
    for source, target in permutations(images, 2):
        if source['category'] != target['category']:
            continue
        pair = pair_annotation(len(names), source, target)
        if not pair['kps_ids']:
            continue
        name = pair['filename']
        file = home / 'PairAnnotation' / split / f'{name}.json'
        file.write_text(json.dumps(pair) + '\n')
        names.append(name)
    (home / 'Layout/large' / f'{split}.txt').write_text(
        ''.join(f'{name}\n' for name in names)
    )


def pair_annotation(number: int, source: dict, target: dict) -> dict:
    """What SPair-71k writes about a pair; key points that both show."""
    common = [
        key
        for key, place in source['kps'].items()
        if place and target['kps'][key]
    ]
    pair: dict = dict(
        pair_id=number,
        filename='-'.join(
            [
                f'{number + 1:06d}',
                *(Path(side['filename']).stem for side in (source, target)),
            ]
        )
        + f':{source["category"]}',
        category=source['category'],
        viewpoint_variation=_grade(
            abs(source['angle'] - target['angle']), TURNS
        ),
        scale_variation=_grade(
            math.exp(abs(math.log(_longer(source) / _longer(target)))), SCALES
        ),
        truncation=source['truncated'] + 2 * target['truncated'],
        occlusion=source['occluded'] + 2 * target['occluded'],
        mirror=int(source['mirrored'] != target['mirrored']),
        kps_ids=common,
    )
    for prefix, side in (('src', source), ('trg', target)):
        pair[f'{prefix}_imname'] = side['filename']
        pair[f'{prefix}_imsize'] = [
            side[f'image_{name}'] for name in ('width', 'height', 'depth')
        ]
        pair[f'{prefix}_bndbox'] = side['bndbox']
        pair[f'{prefix}_pose'] = side['pose']
        pair[f'{prefix}_kps'] = [side['kps'][key] for key in common]
    return pair


def _longer(annotation: dict) -> int:
    x1, y1, x2, y2 = annotation['bndbox']
    return max(x2 - x1, y2 - y1)


def _grade(value: float, limits: tuple[float, float]) -> int:
    """0 easy, 1 medium, 2 hard."""
    return sum(value >= limit for limit in limits)
