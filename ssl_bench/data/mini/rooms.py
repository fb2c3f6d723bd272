"""Rooms with objects in them, and the depth of every pixel."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import map_coordinates

from ssl_bench.data.mini.names import CLASSES
from ssl_bench.data.mini.paint import Scene, paste, record
from ssl_bench.data.mini.photos import load_photos, recolour
from ssl_bench.data.mini.shapes import draw, outline, pose

#: Of the camera of NYUv2, in widths of the image (518.8579 of 640).
FOCAL = 518.8579 / 640
#: Distance in metres from the camera to the projector of its depth sensor,
#: whose light an object keeps from what is behind it.
BASELINE = 0.075
#: Nearest object and farthest back wall, in metres.
NEAREST, FARTHEST = 0.8, 9.5
#: Side of an object (square root of its area), in metres.
SIDE = (0.28, 0.42)
#: Pixels of a photograph per metre: on an object, and (of the half-size
#: photograph) on the room.
ON_OBJECT, ON_ROOM = 110.0, 50.0
#: What an object's outline reaches from its centre, in sides, at most.
REACH = 1.1
#: Brightness of back wall, floor, ceiling, left and right wall, in grey
#: levels over that of the room.
LIGHTS = (0.0, -25.0, 30.0, -12.0, 12.0)


@dataclass(frozen=True)
class Room:
    """A box with the camera in it, which looks along its long side.

    Attributes:
        size (tuple[int, int]): Width and height of the picture, in pixels.
        focal (float): Of the camera, in pixels.
        centre (tuple[float, float]): Where the camera looks, x and y in
            pixels.
        back (float): Distance to the back wall, in metres.
        floor (float): Of the floor below the camera, in metres.
        ceiling (float): Of the ceiling above the camera, in metres.
        left (float): Of the left wall, in metres.
        right (float): Of the right wall, in metres.
    """

    size: tuple[int, int]
    focal: float
    centre: tuple[float, float]
    back: float
    floor: float
    ceiling: float
    left: float
    right: float

    def surfaces(self) -> tuple[np.ndarray, np.ndarray]:
        """What every pixel's centre shows of the empty room.

        Returns:
            tuple[np.ndarray, np.ndarray]: Depth along the optical axis in
            metres, (H, W) float64, and the surface, (H, W) int64: an index
            into `LIGHTS`.
        """
        x, y = self._rays()
        with np.errstate(divide='ignore'):
            depths = np.stack(
                [
                    np.full(x.shape, self.back),
                    np.where(y > 0, self.floor / y, np.inf),
                    np.where(y < 0, -self.ceiling / y, np.inf),
                    np.where(x < 0, -self.left / x, np.inf),
                    np.where(x > 0, self.right / x, np.inf),
                ]
            )
        return depths.min(0), depths.argmin(0)

    def _rays(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of each pixel's ray at a depth of 1, (H, W) each."""
        width, height = self.size
        y, x = np.mgrid[:height, :width] + 0.5
        return (x - self.centre[0]) / self.focal, (
            y - self.centre[1]
        ) / self.focal

    def points(self, depth: np.ndarray) -> np.ndarray:
        """Metres to the right, down and ahead, (3, H, W)."""
        x, y = self._rays()
        return np.stack([x * depth, y * depth, depth])


def draw_room(rng: np.random.Generator, size: int) -> Room:
    """A room for a picture ``size`` pixels wide and 3/4 of that high."""
    width, height = size, 3 * size // 4
    return Room(
        size=(width, height),
        focal=FOCAL * width,
        centre=(
            width * rng.uniform(0.35, 0.65),
            height * rng.uniform(0.3, 0.5),
        ),
        back=math.exp(rng.uniform(math.log(2.5), math.log(FARTHEST))),
        floor=rng.uniform(1.1, 1.6),
        ceiling=rng.uniform(0.9, 1.5),
        left=rng.uniform(1.0, 2.8),
        right=rng.uniform(1.0, 2.8),
    )


def room_scene(
    rng: np.random.Generator, size: int
) -> tuple[Scene, np.ndarray, list[float]]:
    """A room with three to seven objects, the nearest drawn last.

    Args:
        rng (np.random.Generator): Decides everything.
        size (int): Width in pixels.

    Returns:
        tuple: The scene; the depth of every pixel in metres, (H, W)
        float64, 0 where a sensor would see nothing; the depth of every
        object.
    """
    room = draw_room(rng, size)
    depth, surface = room.surfaces()
    scene = Scene(
        _paint_room(rng, room, depth, surface), np.zeros(depth.shape, np.int32)
    )
    far = math.log(room.back - 0.3)
    near = math.log(NEAREST)
    places = sorted(rng.uniform(near, far, size=rng.integers(3, 8)))
    placed: list[float] = []
    for distance in np.exp(places[::-1]).tolist():
        if _add_object(rng, scene, room, distance):
            depth = np.where(scene.mask(len(placed)), distance, depth)
            placed.append(distance)
    return scene, np.where(shadows(scene, depth, room.focal), 0, depth), placed


def _paint_room(
    rng: np.random.Generator,
    room: Room,
    depth: np.ndarray,
    surface: np.ndarray,
) -> Image.Image:
    """The empty room; textures get finer with their distance."""
    picture = np.zeros((*depth.shape, 3), np.uint8)
    right, down, ahead = room.points(depth)
    axes = (
        (right, down),
        (right, ahead),
        (right, ahead),
        (ahead, down),
        (ahead, down),
    )
    light = rng.uniform(80, 170)
    for index, (across, along) in enumerate(axes):
        photo = load_photos()[rng.integers(len(load_photos()))][1]
        photo = recolour(
            rng, photo, light + LIGHTS[index], rng.uniform(10.0, 22.0)
        )
        shift = rng.uniform(0, 500, size=2)
        part = surface == index
        picture[part] = _sample(
            photo,
            across[part] * ON_ROOM + shift[0],
            along[part] * ON_ROOM + shift[1],
            depth[part] * ON_ROOM / room.focal,
        )
    return Image.fromarray(picture)


def _sample(
    photo: Image.Image, x: np.ndarray, y: np.ndarray, step: np.ndarray
) -> np.ndarray:
    """Colours of a photograph that is repeated by its mirror images.

    Args:
        photo (Image): RGB.
        x (np.ndarray): (N,) in pixels of the photograph.
        y (np.ndarray): (N,) the same.
        step (np.ndarray): (N,) pixels of it from one sample to the next;
            decides by how much it is reduced before.

    Returns:
        np.ndarray: (N, 3) uint8.
    """
    levels = np.log2(np.maximum(step, 1)).round().astype(int)
    colours = np.zeros((len(x), 3), np.uint8)
    for level in np.unique(levels).tolist():
        here = levels == level
        reduced = np.asarray(photo.reduce(2**level) if level else photo)
        places = np.stack([y[here], x[here]]) / 2**level - 0.5
        for band in range(3):
            colours[here, band] = map_coordinates(
                reduced[..., band], places, order=1, mode='reflect'
            )
    return colours


def _add_object(
    rng: np.random.Generator, scene: Scene, room: Room, distance: float
) -> bool:
    """Paste an object that stands on the floor or hangs in the room.

    One that would stand below the frame, or touch a wall, hangs where it
    does not.
    """
    scale = room.focal / distance  # pixels per metre
    side = rng.uniform(*SIDE) * scale
    angle = rng.uniform(-0.35, 0.35)
    label = int(rng.integers(len(CLASSES)))
    drawn = draw(outline(CLASSES[label]), pose(rng, side, angle))
    reach = REACH * side
    (width, height), (x, y) = room.size, room.centre
    left = max(x - room.left * scale + reach, 0.25 * side)
    right = min(x + room.right * scale - reach, width - 0.25 * side)
    ground = y + room.floor * scale
    top = max(y - room.ceiling * scale + reach, 0.4 * side)
    bottom = min(ground - reach, height - 0.4 * side)
    if left > right or top > bottom:
        return False
    stands = ground < height and rng.random() < 0.7
    for _ in range(10):
        centre = rng.uniform(left, right), rng.uniform(top, bottom)
        corner = (
            round(centre[0] - drawn.width / 2),
            math.floor(ground - drawn.height - 1)
            if stands
            else round(centre[1] - drawn.height / 2),
        )
        zoom = ON_OBJECT / scale
        placed = paste(
            rng, scene, drawn.alpha, corner, 0.3, rim=True, zoom=(zoom, zoom)
        )
        if placed is not None:
            record(scene, label, angle, *placed)
            return True
    return False


def shadows(scene: Scene, depth: np.ndarray, focal: float) -> np.ndarray:
    """Pixels to which objects keep the light of the sensor's projector.

    The projector is to the right of the camera, so the pixels lie to the
    left of an object, as many as the disparities of the object and of what
    is behind it differ by.

    Args:
        scene (Scene): With its owners.
        depth (np.ndarray): (H, W), metres.
        focal (float): Of the camera, pixels.

    Returns:
        np.ndarray: (H, W) bool.
    """
    disparity = BASELINE * focal / depth
    hidden = np.zeros(depth.shape, bool)
    for index in range(len(scene.items)):
        mask = scene.mask(index)
        nearest = disparity[mask].max()
        for step in range(1, math.ceil(nearest)):
            shifted = np.zeros_like(mask)
            shifted[:, :-step] = mask[:, step:]
            hidden |= shifted & (nearest - disparity >= step)
    return hidden
