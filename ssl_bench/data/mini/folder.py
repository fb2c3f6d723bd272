"""The image-folder set: imagenet/train|val/<class>/*.jpg."""

from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.data.mini.names import CLASSES
from ssl_bench.data.mini.scene import object_image


def save_jpeg(
    rng: np.random.Generator, image: Image.Image, path: Path
) -> None:
    """Write a JPEG of a random quality from 85 to 95."""
    image.save(path, 'JPEG', quality=int(rng.integers(85, 96)))


def write_image(
    rng: np.random.Generator, folder: Path, index: int, size: int
) -> None:
    """Write picture ``index``; the classes take turns."""
    label = index % len(CLASSES)
    name = CLASSES[label]
    (folder / name).mkdir(parents=True, exist_ok=True)
    scene = object_image(rng, label, size)
    save_jpeg(rng, scene.image, folder / name / f'{name}_{index:06d}.jpg')
