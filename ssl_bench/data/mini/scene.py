"""Scenes: which shapes an image holds, how large and where."""

import math

import numpy as np

from ssl_bench.data.mini.names import CLASSES
from ssl_bench.data.mini.paint import (
    Item,
    Scene,
    add_item,
    add_shape,
    new_scene,
)
from ssl_bench.data.mini.shapes import clutter_outline, outline

#: Side (square root of the area) of small, medium and large objects as a
#: share of the image's longer side, and how often each is drawn. The tiny
#: ones, at times, are what VOC marks difficult.
SIZES = (
    ((0.04, 0.055), 0.08),
    ((0.09, 0.16), 0.22),
    ((0.18, 0.34), 0.42),
    ((0.36, 0.62), 0.28),
)


def _add_crowd(rng: np.random.Generator, scene: Scene) -> None:
    """Scatter 8 to 14 small objects of a class, recorded as one crowd."""
    label = int(rng.integers(len(CLASSES)))
    width, height = scene.image.size
    scale = max(width, height)
    x, y = rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height
    masks, number = [], len(scene.items) + 1
    for _ in range(rng.integers(8, 15)):
        placed = add_shape(
            rng,
            scene,
            outline(CLASSES[label]),
            rng.uniform(0.07, 0.1) * scale,
            rng.uniform(-0.5, 0.5),
            (x + rng.normal() * 0.12 * scale, y + rng.normal() * 0.1 * scale),
            keep=0.5,
            rim=True,
        )
        if placed is not None:
            masks.append(placed[0])
    if masks:
        union = np.any(masks, axis=0)
        scene.owner[union] = number
        area = int(union.sum())
        scene.items.append(Item(label, area, area, area, 0.0, crowd=True))


def add_clutter(
    rng: np.random.Generator, scene: Scene, count: int, keep: float
) -> None:
    """Paste up to ``count`` shapes of no class, anywhere."""
    width, height = scene.image.size
    for _ in range(count):
        add_shape(
            rng,
            scene,
            clutter_outline(rng),
            rng.uniform(0.07, 0.16) * max(width, height),
            rng.uniform(0, 2 * math.pi),
            (rng.uniform(0, width), rng.uniform(0, height)),
            keep,
        )


def frame(rng: np.random.Generator, size: int) -> tuple[int, int]:
    """Width and height: square, landscape or portrait; ``size`` is longer."""
    short = 3 * size // 4
    shapes = ((size, size), (size, short), (short, size))
    return shapes[rng.choice(3, p=(0.4, 0.4, 0.2))]


def object_image(rng: np.random.Generator, label: int, size: int) -> Scene:
    """One large object, smaller ones of its class, and clutter.

    The companions differ in texture and colour: what two crops of the image
    then share is the class, not the paint.

    Args:
        rng (np.random.Generator): Decides everything else.
        label (int): Class of the objects.
        size (int): Longer side in pixels.
    """
    width, height = frame(rng, size)
    short = min(width, height)
    scene = new_scene(rng, (width, height))
    add_clutter(rng, scene, int(rng.integers(0, 2)), keep=0.0)
    centre = (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6))
    add_item(
        rng, scene, label, rng.uniform(0.42, 0.58) * short, centre, keep=0.0
    )
    for _ in range(rng.integers(2, 5)):
        add_companion(rng, scene, label, rng.uniform(0.2, 0.32) * short)
    add_clutter(rng, scene, int(rng.integers(0, 2)), keep=0.75)
    return scene


def add_companion(
    rng: np.random.Generator, scene: Scene, label: int, side: float
) -> None:
    """Paste a smaller object where it hides little, if there is a place."""
    width, height = scene.image.size
    for _ in range(10):
        centre = (
            width * rng.uniform(0.08, 0.92),
            height * rng.uniform(0.08, 0.92),
        )
        if add_item(rng, scene, label, side, centre, keep=0.8):
            return


def objects_scene(
    rng: np.random.Generator, size: int, crowd: float = 0.0
) -> Scene:
    """Several objects of three sizes, for detection and segmentation.

    Args:
        rng (np.random.Generator): Decides everything else.
        size (int): Longer side in pixels.
        crowd (float): Probability of a crowd.
    """
    width, height = frame(rng, size)
    scene = new_scene(rng, (width, height))
    if rng.random() < crowd:
        _add_crowd(rng, scene)
    add_clutter(rng, scene, int(rng.integers(0, 3)), keep=0.5)
    ranges = rng.choice(
        len(SIZES), p=[share for _, share in SIZES], size=rng.integers(1, 5)
    )
    sides = sorted(
        (rng.uniform(*SIZES[k][0]) * size for k in ranges), reverse=True
    )
    for side in sides:  # small ones in front, or they would vanish
        label = int(rng.integers(len(CLASSES)))
        keep = 0.25 if rng.random() < 0.2 else 0.6
        for _ in range(20):
            centre = _centre(rng, width, height, side)
            if add_item(rng, scene, label, side, centre, keep):
                break
    if not scene.items:  # a crop of bad luck: one object is always there
        add_item(
            rng,
            scene,
            int(rng.integers(len(CLASSES))),
            0.3 * size,
            (width / 2, height / 2),
            0.0,
        )
    return scene


def _centre(
    rng: np.random.Generator, width: int, height: int, side: float
) -> tuple[float, float]:
    """Mostly inside the frame; at times cut by its border."""
    margin = side * (0.1 if rng.random() < 0.15 else 0.62)
    mx, my = min(margin, width / 2), min(margin, height / 2)
    return rng.uniform(mx, width - mx), rng.uniform(my, height - my)
