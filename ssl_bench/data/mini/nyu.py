"""The NYUv2 set: pictures, depth maps, and the two lists of BTS."""

from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.data.mini.folder import save_jpeg
from ssl_bench.data.mini.rooms import FOCAL, room_scene


def write_image(
    rng: np.random.Generator, home: Path, split: str, index: int, size: int
) -> str:
    """Write one picture and its depth map, 16-bit PNG in millimetres.

    Args:
        rng (np.random.Generator): Decides the scene.
        home (Path): nyu; its subfolder ``split`` exists.
        split (str): train or test.
        index (int): Of the picture in its split.
        size (int): Width in pixels.

    Returns:
        str: Its line in the list: both paths and the focal length.
    """
    scene, depth, _ = room_scene(rng, size)
    picture = f'{split}/rgb_{index:05d}.jpg'
    chart = f'{split}/sync_depth_{index:05d}.png'
    save_jpeg(rng, scene.image, home / picture)
    millimetres = (1000 * depth).round().astype(np.uint16)
    Image.fromarray(millimetres).save(home / chart, 'PNG')
    return f'{picture} {chart} {FOCAL * size:.4f}\n'
