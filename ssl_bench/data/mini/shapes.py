"""The outlines of the classes, and drawing them as masks."""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

#: Sub-pixels per pixel and axis while a mask is drawn.
OVERSAMPLE = 4

Outline = list[tuple[np.ndarray, int]]  # (points (N, 2), 1 fill / 0 erase)


def _circle(radius: float, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], 1)


def _spokes(radii: list[float]) -> np.ndarray:
    """Polygon through points at equal angles, the first pointing up."""
    turn = np.arange(len(radii)) * 2 * np.pi / len(radii) - np.pi / 2
    return np.stack([radii * np.cos(turn), radii * np.sin(turn)], 1)


def _heart() -> np.ndarray:
    t = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(
        13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    )
    return np.stack([x, y + 2.5], 1) / 16


def _arrow() -> np.ndarray:
    half = np.array([[0.0, -1.0], [0.85, -0.05], [0.3, -0.05], [0.3, 0.9]])
    return np.concatenate([half, half[:0:-1] * [-1, 1]])


def _cross(arm: float = 0.32) -> np.ndarray:
    quarter = np.array([[arm, arm], [arm, 1.0], [-arm, 1.0]])
    turns = [quarter]
    for _ in range(3):
        quarter = np.stack([-quarter[:, 1], quarter[:, 0]], 1)
        turns.append(quarter)
    return np.concatenate(turns)


@cache
def outline(name: str) -> Outline:
    """A class's outline, centred, scaled to cover an area of 1.

    Equal areas keep the share of object pixels, and with it the colour
    histogram, from telling the classes apart.
    """
    parts: Outline = dict(
        arrow=lambda: [(_arrow(), 1)],
        cross=lambda: [(_cross(), 1)],
        crescent=lambda: [(_circle(1.0), 1), (_circle(0.82, 0.5), 0)],
        heart=lambda: [(_heart(), 1)],
        ring=lambda: [(_circle(1.0), 1), (_circle(0.6), 0)],
        square=lambda: [(_spokes([1.0] * 4) @ _turn(math.pi / 4), 1)],
        star=lambda: [(_spokes([1.0, 0.45] * 5), 1)],
        triangle=lambda: [(_spokes([1.0] * 3), 1)],
    )[name]()
    image = _draw(
        [(512 + 400 * points, fill) for points, fill in parts], (1024, 1024)
    )
    area = np.asarray(image).astype(bool).sum() / 400**2
    return [(points / math.sqrt(area), fill) for points, fill in parts]


@cache
def key_points(name: str) -> np.ndarray:
    """Points of a class that every drawing of it has, in a fixed order.

    They are corners, or places of a curve, of the outline. All classes but
    the crescent equal their mirror image; their points are named by their
    side in the picture.

    Returns:
        np.ndarray: (K, 2), of the outline of area 1.
    """
    points = outline(name)[0][0]
    if name in ('square', 'triangle'):
        middles = (points + np.roll(points, -1, axis=0)) / 2
        return np.concatenate([points, middles])
    if name == 'heart':
        return points[::8]
    if name == 'ring':
        return np.concatenate([part[::16] for part, _ in outline(name)])
    if name == 'crescent':
        cut = outline(name)[1][0]
        horns = [_crossing(points, cut, side) for side in (-1, 1)]
        return np.stack([*points[16:49:8], *horns, cut[32]])
    return points


def _crossing(disc: np.ndarray, cut: np.ndarray, side: int) -> np.ndarray:
    """Where two circles with centres on the x axis meet; y has the sign."""
    (x, big), (low, small) = (
        (circle.mean(0)[0], np.ptp(circle[:, 0]) / 2) for circle in (disc, cut)
    )
    gap = low - x
    along = (gap**2 + big**2 - small**2) / (2 * gap)
    return np.array([x + along, side * math.sqrt(big**2 - along**2)])


def _turn(angle: float) -> np.ndarray:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([[cos, sin], [-sin, cos]])


def _draw(parts: Outline, size: tuple[int, int]) -> Image.Image:
    image = Image.new('L', size)
    pen = ImageDraw.Draw(image)
    for points, fill in parts:
        pen.polygon([(float(x), float(y)) for x, y in points], fill=255 * fill)
    return image


def clutter_outline(rng: np.random.Generator) -> Outline:
    """A bar or an irregular blob of area 1: no class looks like it."""
    if rng.random() < 0.5:
        half = math.sqrt(rng.uniform(4, 8)) / 2
        box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        return [(box * [half, 0.25 / half], 1)]
    blob = _spokes(list(rng.uniform(0.35, 1.0, size=9)))
    following = np.roll(blob, -1, axis=0)
    area = (
        abs(
            np.sum(blob[:, 0] * following[:, 1] - blob[:, 1] * following[:, 0])
        )
        / 2
    )
    return [(blob / math.sqrt(area), 1)]


def place(
    rng: np.random.Generator, parts: Outline, side: float, angle: float
) -> tuple[Image.Image, float, float]:
    """Draw an outline, scaled, stretched a little and rotated.

    Args:
        rng (np.random.Generator): Draws the stretch.
        parts (Outline): Of area 1.
        side (float): Square root of the area wanted, in pixels.
        angle (float): Clockwise rotation in radians.

    Returns:
        tuple: Alpha (Image, mode L) just large enough for the whole shape,
        and its width and height in pixels before rounding up.
    """
    drawn = draw(parts, pose(rng, side, angle))
    return drawn.alpha, drawn.width, drawn.height


def pose(rng: np.random.Generator, side: float, angle: float) -> np.ndarray:
    """How a shape lies in the picture, without its place.

    Args:
        rng (np.random.Generator): Draws a small stretch.
        side (float): Square root of the area wanted, in pixels.
        angle (float): Clockwise rotation in radians.

    Returns:
        np.ndarray: (2, 2); ``points @ pose`` are in pixels.
    """
    stretch = math.exp(rng.uniform(-0.15, 0.15))
    return side * np.diag([stretch, 1 / stretch]) @ _turn(angle)


@dataclass(frozen=True)
class Drawn:
    """A shape in a picture of its own.

    Attributes:
        alpha (Image): Mode L, just large enough for the whole shape.
        width (float): Of the shape in pixels, before rounding up.
        height (float): The same.
        low (np.ndarray): (2,) x and y; a point p of the outline lies at
            ``p @ pose - low`` in ``alpha``, in pixels from its corner.
    """

    alpha: Image.Image
    width: float
    height: float
    low: np.ndarray


def draw(parts: Outline, matrix: np.ndarray) -> Drawn:
    """Draw an outline.

    Args:
        parts (Outline): Of area 1.
        matrix (np.ndarray): (2, 2) of `pose`.
    """
    moved = [(points @ matrix, fill) for points, fill in parts]
    solid = np.concatenate([points for points, fill in moved if fill])
    low, high = solid.min(0), solid.max(0)
    width, height = (int(value) for value in np.ceil(high - low) + 1)
    image = _draw(
        [((points - low + 0.5) * OVERSAMPLE, fill) for points, fill in moved],
        (width * OVERSAMPLE, height * OVERSAMPLE),
    )
    extent = high - low
    return Drawn(image.reduce(OVERSAMPLE), extent[0], extent[1], low - 0.5)
