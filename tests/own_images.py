"""Small own images with masks, or in class folders, for tests."""

from pathlib import Path

import numpy as np
from PIL import Image

ENDINGS = ('.jpg', '.png', '.bmp', '.gif', '.JPG')


def labels(classes: int, index: int = 0) -> np.ndarray:
    """(40, 48) uint8: bands of all classes, and pixels that do not count."""
    found = (np.arange(48)[None] + index) * classes // 48 % classes
    found = np.repeat(found, 40, axis=0).astype(np.uint8)
    found[:2] = 255
    return found


def masked(root: Path, classes: int = 3, tail: str = '', count: int = 6):
    """``train`` and ``val`` with images and masks, and the list of classes.

    Returns:
        tuple: What ``read_own_data`` takes.
    """
    for split in ('train', 'val'):
        for index in range(count):
            label = labels(classes, index + (split == 'val'))
            place = Path('a') if index % 2 else Path('b c/d')
            name = f'{index:02}'
            image = np.repeat(label[..., None] * 20, 3, axis=2)
            image[-1] = index + 100 * (split == 'val')
            save(
                root / split / 'images' / place / (name + ENDINGS[index % 5]),
                image,
            )
            save(root / split / 'masks' / place / f'{name}{tail}.png', label)
    lines = [f'class {number}' for number in range(classes)]
    (root / 'classes.txt').write_text('\n'.join(lines))
    return words(root, 'images', 'masks') + (str(root / 'classes.txt'),)


def folders(root: Path, classes: int = 3, count: int = 6):
    """``train`` and ``val`` with a folder for each class.

    Returns:
        tuple: What ``read_own_data`` takes.
    """
    for split in ('train', 'val'):
        for label in range(classes):
            for index in range(count):
                image = np.full((40, 48, 3), 20 * label, np.uint8)
                image[-1] = index + 100 * (split == 'val')
                name = f'{"deep/" * (label == 0)}{index}{ENDINGS[index % 5]}'
                save(root / split / f'kind {label:02}' / name, image)
    return words(root)


def words(root: Path, *parts: str) -> tuple[list[str], list[str]]:
    """Paths of both splits, as the options have them."""
    return tuple(
        [str(root / split / part) for part in parts or ('',)]
        for split in ('train', 'val')
    )


def save(path: Path, pixels: np.ndarray) -> None:
    """Write an image, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
