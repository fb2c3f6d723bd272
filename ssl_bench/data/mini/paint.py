"""Paint: textured shapes pasted over a photograph, and who owns a pixel."""

import math
from dataclasses import dataclass, field

import numpy as np
from PIL import Image
from scipy.ndimage import distance_transform_edt

from ssl_bench.data.mini.names import CLASSES
from ssl_bench.data.mini.photos import patch, recolour
from ssl_bench.data.mini.shapes import Outline, outline, place

#: Standard deviations of grey values: photographs behind and on the objects
#: are calmer than the objects' edges.
BACKGROUND_SPREAD, OBJECT_SPREAD = (6.0, 18.0), (8.0, 20.0)
#: Width of an object's rim as a share of its thickest part's half width.
RIM = (0.32, 0.48)
#: Pixels of a photograph per pixel of an object.
ZOOM = (0.7, 2.5)


@dataclass
class Item:
    """One annotated object, or one crowd of objects of a class.

    Attributes:
        label (int): Index into `CLASSES`.
        area (int): Pixels of the whole shape, also those hidden.
        visible (int): Pixels that show.
        inside (int): Pixels within the frame, hidden or not.
        angle (float): Rotation in radians.
        crowd (bool): Whether it is a crowd of many.
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
    items: list[Item] = field(default_factory=list)

    def mask(self, index: int) -> np.ndarray:
        """Visible pixels of ``items[index]``, (H, W) bool."""
        return self.owner == index + 1


def new_scene(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """A photographic background of ``size`` = (width, height)."""
    image = patch(
        rng, size, zoom=rng.uniform(0.8, 3.0), angle=rng.uniform(-0.3, 0.3)
    )
    image = recolour(
        rng,
        image,
        light=rng.uniform(50, 205),
        spread=rng.uniform(*BACKGROUND_SPREAD),
    )
    return Scene(image, np.zeros(size[::-1], np.int32))


def add_shape(
    rng: np.random.Generator,
    scene: Scene,
    parts: Outline,
    side: float,
    angle: float,
    centre: tuple[float, float],
    keep: float,
    rim: bool = False,
) -> tuple[np.ndarray, int] | None:
    """Paste a textured shape if it leaves the others visible enough.

    Args:
        rng (np.random.Generator): Draws texture and colours.
        scene (Scene): Changed in place; ``owner`` under the shape becomes 0.
        parts (Outline): Of area 1.
        side (float): Square root of the area, pixels.
        angle (float): Rotation, radians.
        centre (tuple[float, float]): Of its box, x and y in pixels.
        keep (float): Share of every earlier item that has to stay visible.
        rim (bool): Whether a rim of another texture follows the outline.

    Returns:
        tuple[np.ndarray, int] | None: Mask in the frame (H, W) and the
        whole shape's pixels; None if it was not pasted.
    """
    alpha, width, height = place(rng, parts, side, angle)
    corner = (round(centre[0] - width / 2), round(centre[1] - height / 2))
    return paste(rng, scene, alpha, corner, keep, rim)


def paste(
    rng: np.random.Generator,
    scene: Scene,
    alpha: Image.Image,
    corner: tuple[int, int],
    keep: float,
    rim: bool = False,
    zoom: tuple[float, float] = ZOOM,
) -> tuple[np.ndarray, int] | None:
    """Paste a drawn shape if it leaves the others visible enough.

    Args:
        rng (np.random.Generator): Draws texture and colours.
        scene (Scene): Changed in place; ``owner`` under the shape becomes 0.
        alpha (Image): Mode L.
        corner (tuple[int, int]): Left and top of ``alpha`` in the frame.
        keep (float): Share of every earlier item that has to stay visible.
        rim (bool): Whether a rim of another texture follows the outline.
        zoom (tuple[float, float]): Least and most pixels of the photograph
            per pixel.

    Returns:
        tuple[np.ndarray, int] | None: As `add_shape`.
    """
    frame = Image.new('L', scene.image.size)
    frame.paste(alpha, corner)
    mask = np.asarray(frame) >= 128
    area = int((np.asarray(alpha) >= 128).sum())
    lost = np.bincount(scene.owner[mask], minlength=len(scene.items) + 1)
    for item, pixels in zip(scene.items, lost[1:]):
        if pixels and item.visible - pixels < max(keep * item.area, 16):
            return None
    if mask.sum() < max(0.5 * area, 16):
        return None
    light = _contrasting(rng, scene.image, mask)
    texture = _texture(rng, alpha.size, light, zoom)
    if rim:
        step = math.copysign(rng.uniform(50, 80), 128 - light)
        texture.paste(
            _texture(rng, alpha.size, light + step, zoom),
            (0, 0),
            _within_rim(rng, alpha),
        )
    scene.image.paste(texture, corner, alpha)
    for item, pixels in zip(scene.items, lost[1:]):
        item.visible -= int(pixels)
    scene.owner[mask] = 0
    return mask, area


def _texture(
    rng: np.random.Generator,
    size: tuple[int, int],
    light: float,
    zoom: tuple[float, float],
) -> Image.Image:
    image = patch(
        rng, size, zoom=rng.uniform(*zoom), angle=rng.uniform(0, 2 * math.pi)
    )
    return recolour(rng, image, light, rng.uniform(*OBJECT_SPREAD))


def _within_rim(rng: np.random.Generator, alpha: Image.Image) -> Image.Image:
    """What is left of a shape without its rim; mode L."""
    inside = np.pad(np.asarray(alpha) >= 128, 1)
    depth = distance_transform_edt(inside)[1:-1, 1:-1]  # pixels to edge
    depth = depth - rng.uniform(*RIM) * depth.max() + 0.5
    return Image.fromarray((255 * depth.clip(0, 1)).astype(np.uint8))


def _contrasting(
    rng: np.random.Generator, image: Image.Image, mask: np.ndarray
) -> float:
    """A brightness well above or well below what lies under the mask."""
    under = np.asarray(image.convert('L'))[mask]
    local = int(under.sum(dtype=np.int64)) / len(under)
    step = rng.uniform(60, 100) * rng.choice((-1, 1))
    if not 25 <= local + step <= 230:
        step = -step
    return min(max(local + step, 25.0), 230.0)


def add_item(
    rng: np.random.Generator,
    scene: Scene,
    label: int,
    side: float,
    centre: tuple[float, float],
    keep: float,
) -> bool:
    """Paste an object of a class and record it; False if it did not fit."""
    angle = rng.uniform(-0.5, 0.5)
    placed = add_shape(
        rng,
        scene,
        outline(CLASSES[label]),
        side,
        angle,
        centre,
        keep,
        rim=True,
    )
    if placed is None:
        return False
    record(scene, label, angle, *placed)
    return True


def record(
    scene: Scene, label: int, angle: float, mask: np.ndarray, area: int
) -> None:
    """Note what was pasted last as an object.

    Args:
        scene (Scene): Changed in place.
        label (int): Index into `CLASSES`.
        angle (float): Rotation in radians.
        mask (np.ndarray): (H, W) bool, from `add_shape`.
        area (int): Pixels of the whole shape, from `add_shape`.
    """
    pixels = int(mask.sum())
    scene.items.append(Item(label, area, pixels, pixels, angle))
    scene.owner[mask] = len(scene.items)
