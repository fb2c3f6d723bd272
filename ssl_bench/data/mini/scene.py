"""Scenes: textured shapes, occluding one another, over a photograph."""
import math
from dataclasses import dataclass, field
from typing import List, Optional, Tuple

import numpy as np
from PIL import Image

from ssl_bench.data.mini.names import CLASSES
from ssl_bench.data.mini.photos import patch, recolour
from ssl_bench.data.mini.shapes import (Outline, clutter_outline, outline,
                                        place)

#: Side (square root of the area) of small, medium and large objects as a
#: share of the image's longer side, and how often each is drawn. The tiny
#: ones, at times, are what VOC marks difficult.
SIZES = (((0.04, 0.055), 0.06), ((0.09, 0.16), 0.24), ((0.18, 0.32), 0.44),
         ((0.36, 0.56), 0.26))


@dataclass
class Item:
    """One annotated object, or one crowd of objects of a class.

    Attributes:
        label (int): Index into `CLASSES`.
        area (int): Pixels of the whole shape, also those hidden.
        visible (int): Pixels that show.
        inside (int): Pixels within the frame, hidden or not.
        angle (float): Rotation in radians.
        crowd (bool): Whether it stands for many.
    """
    label: int
    area: int
    visible: int
    inside: int
    angle: float
    crowd: bool = False


@dataclass
class Scene:
    """An image with what is in it.

    Attributes:
        image (Image): RGB.
        owner (np.ndarray): (H, W) int32; 0 background, k the k-th item.
        items (list[Item]): Item k is ``items[k - 1]``.
    """
    image: Image.Image
    owner: np.ndarray
    items: List[Item] = field(default_factory=list)

    def mask(self, index: int) -> np.ndarray:
        """Visible pixels of ``items[index]``, (H, W) bool."""
        return self.owner == index + 1


def new_scene(rng: np.random.Generator, size: Tuple[int, int]) -> Scene:
    """A photographic background of ``size`` = (width, height)."""
    image = patch(rng, size, zoom=rng.uniform(0.8, 3.),
                  angle=rng.uniform(-0.3, 0.3))
    image = recolour(rng, image, light=rng.uniform(50, 205),
                     spread=rng.uniform(14, 38))
    return Scene(image, np.zeros(size[::-1], np.int32))


def add_shape(rng: np.random.Generator, scene: Scene, parts: Outline,
              side: float, angle: float, centre: Tuple[float, float],
              keep: float) -> Optional[Tuple[np.ndarray, int]]:
    """Paste a textured shape if it leaves the others visible enough.

    Args:
        rng (np.random.Generator): Draws texture and colours.
        scene (Scene): Changed in place; ``owner`` under the shape becomes 0.
        parts (Outline): Of area 1.
        side (float): Square root of the area, pixels.
        angle (float): Rotation, radians.
        centre (tuple[float, float]): Of its box, x and y in pixels.
        keep (float): Share of every earlier item that has to stay visible.

    Returns:
        tuple[np.ndarray, int] | None: Mask in the frame (H, W) and the
        whole shape's pixels; None if it was not pasted.
    """
    alpha, width, height = place(rng, parts, side, angle)
    left = round(centre[0] - width / 2)
    top = round(centre[1] - height / 2)
    frame = Image.new('L', scene.image.size)
    frame.paste(alpha, (left, top))
    mask = np.asarray(frame) >= 128
    area = int((np.asarray(alpha) >= 128).sum())
    lost = np.bincount(scene.owner[mask], minlength=len(scene.items) + 1)
    for item, pixels in zip(scene.items, lost[1:]):
        if pixels and item.visible - pixels < max(keep * item.area, 16):
            return None
    if mask.sum() < max(0.5 * area, 16):
        return None
    texture = patch(rng, alpha.size, zoom=rng.uniform(0.7, 2.5),
                    angle=rng.uniform(0, 2 * math.pi))
    texture = recolour(rng, texture, _contrasting(rng, scene.image, mask),
                       spread=rng.uniform(10, 30))
    scene.image.paste(texture, (left, top), alpha)
    for item, pixels in zip(scene.items, lost[1:]):
        item.visible -= int(pixels)
    scene.owner[mask] = 0
    return mask, area


def _contrasting(rng: np.random.Generator, image: Image.Image,
                 mask: np.ndarray) -> float:
    """A brightness well above or well below what lies under the mask."""
    under = np.asarray(image.convert('L'))[mask]
    local = int(under.sum(dtype=np.int64)) / len(under)
    step = rng.uniform(60, 100) * rng.choice((-1, 1))
    if not 25 <= local + step <= 230:
        step = -step
    return min(max(local + step, 25.), 230.)


def add_item(rng: np.random.Generator, scene: Scene, label: int, side: float,
             centre: Tuple[float, float], keep: float) -> bool:
    """Paste an object of a class and record it; False if it did not fit."""
    angle = rng.uniform(-0.5, 0.5)
    placed = add_shape(rng, scene, outline(CLASSES[label]), side, angle,
                       centre, keep)
    if placed is None:
        return False
    mask, area = placed
    pixels = int(mask.sum())
    scene.items.append(Item(label, area, pixels, pixels, angle))
    scene.owner[mask] = len(scene.items)
    return True


def _add_crowd(rng: np.random.Generator, scene: Scene) -> None:
    """Scatter 8 to 14 small objects of a class, recorded as one crowd."""
    label = int(rng.integers(len(CLASSES)))
    width, height = scene.image.size
    scale = max(width, height)
    x, y = rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.7) * height
    masks, number = [], len(scene.items) + 1
    for _ in range(rng.integers(8, 15)):
        placed = add_shape(
            rng, scene, outline(CLASSES[label]),
            rng.uniform(0.07, 0.1) * scale, rng.uniform(-0.5, 0.5),
            (x + rng.normal() * 0.12 * scale, y + rng.normal() * 0.1 * scale),
            keep=0.5)
        if placed is not None:
            masks.append(placed[0])
    if masks:
        union = np.any(masks, axis=0)
        scene.owner[union] = number
        area = int(union.sum())
        scene.items.append(Item(label, area, area, area, 0., crowd=True))


def _add_clutter(rng: np.random.Generator, scene: Scene, count: int,
                 keep: float) -> None:
    width, height = scene.image.size
    for _ in range(count):
        add_shape(rng, scene, clutter_outline(rng),
                  rng.uniform(0.07, 0.16) * max(width, height),
                  rng.uniform(0, 2 * math.pi),
                  (rng.uniform(0, width), rng.uniform(0, height)), keep)


def _frame(rng: np.random.Generator, size: int) -> Tuple[int, int]:
    short = 3 * size // 4
    shapes = ((size, size), (size, short), (short, size))
    return shapes[rng.choice(3, p=(0.4, 0.4, 0.2))]


def object_image(rng: np.random.Generator, label: int, size: int) -> Scene:
    """One large object among clutter, for the image-folder set.

    Args:
        rng (np.random.Generator): Decides everything else.
        label (int): Class of the object.
        size (int): Longer side in pixels.
    """
    width, height = _frame(rng, size)
    scene = new_scene(rng, (width, height))
    _add_clutter(rng, scene, int(rng.integers(1, 4)), keep=0.)
    side = rng.uniform(0.42, 0.62) * min(width, height)
    centre = (width * rng.uniform(0.4, 0.6), height * rng.uniform(0.4, 0.6))
    add_item(rng, scene, label, side, centre, keep=0.)
    _add_clutter(rng, scene, int(rng.integers(0, 3)), keep=0.85)
    return scene


def objects_scene(rng: np.random.Generator, size: int,
                  crowd: float = 0.) -> Scene:
    """Several objects of three sizes, for detection and segmentation.

    Args:
        rng (np.random.Generator): Decides everything else.
        size (int): Longer side in pixels.
        crowd (float): Probability of a crowd.
    """
    width, height = _frame(rng, size)
    scene = new_scene(rng, (width, height))
    if rng.random() < crowd:
        _add_crowd(rng, scene)
    _add_clutter(rng, scene, int(rng.integers(0, 3)), keep=0.5)
    ranges = rng.choice(len(SIZES), p=[share for _, share in SIZES],
                        size=rng.integers(1, 5))
    sides = sorted((rng.uniform(*SIZES[k][0]) * size for k in ranges),
                   reverse=True)
    for side in sides:  # small ones in front, or they would vanish
        label = int(rng.integers(len(CLASSES)))
        keep = 0.25 if rng.random() < 0.2 else 0.6
        for _ in range(20):
            centre = _centre(rng, width, height, side)
            if add_item(rng, scene, label, side, centre, keep):
                break
    if not scene.items:  # a crop of bad luck: one object is always there
        add_item(rng, scene, int(rng.integers(len(CLASSES))), 0.3 * size,
                 (width / 2, height / 2), 0.)
    return scene


def _centre(rng: np.random.Generator, width: int, height: int,
            side: float) -> Tuple[float, float]:
    """Mostly inside the frame; at times cut by its border."""
    margin = side * (0.1 if rng.random() < 0.15 else 0.62)
    mx, my = min(margin, width / 2), min(margin, height / 2)
    return rng.uniform(mx, width - mx), rng.uniform(my, height - my)
