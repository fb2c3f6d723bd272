"""Counterparts of ImageNet-A, -R, -Sketch, -C, Places205, iNaturalist, LVIS.

They are derived from the embedded image folder and COCO set, in the layouts
of the real sets, so that more tasks run without a download.
"""

import json
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ssl_bench.data.mini.build import MANIFEST
from ssl_bench.data.mini.corrupt import (
    CORRUPTIONS,
    Picture,
    hard,
    rendition,
    sketch,
)
from ssl_bench.data.mini.lvis import write_lvis
from ssl_bench.data.mini.names import CLASSES
from ssl_bench.errors import UserError
from ssl_bench.files import write_text
from ssl_bench.run_folder import workshop

MARK = 'variants.json'
VERSION = 2
SETS: tuple[tuple[str, Picture, tuple[str, ...]], ...] = (
    ('imagenet-a', hard, CLASSES[:4]),
    ('imagenet-r', rendition, CLASSES[4:]),
    ('imagenet-sketch', sketch, CLASSES),
)
SHORT, CROP = 96, 80  # pixels: ImageNet-C is stored as networks see it
CORRUPTED = 10  # images of a class in every corruption and severity


def make_variants(root: str | Path, seed: int = 0) -> bool:
    """Write the derived sets next to the embedded image folder.

    Args:
        root (str | Path): Where `make_mini` wrote.
        seed (int): Decides noise, cuts and colours.

    Returns:
        bool: False when they were there already.

    Raises:
        UserError: No embedded data, or variants of another seed.
    """
    root = Path(root)
    if not (root / 'imagenet/val').is_dir():
        raise UserError(
            f'{root} has no imagenet/val. Write the embedded '
            f'data first: ssl-bench data mini --root {root}'
        )
    if not (root / MANIFEST).is_file():
        raise UserError(
            f'{root} does not have the embedded data, and the variants would '
            'replace sets there. Name the folder that `ssl-bench data mini` '
            'wrote.'
        )
    settings = dict(version=VERSION, seed=seed)
    if _are_there(root / MARK, settings):
        return False
    with workshop(root / '.variants.part') as part:
        if _are_there(root / MARK, settings):  # made meanwhile by another
            return False
        try:
            _write(root, part, seed)
            for folder in sorted(part.iterdir()):
                target = root / folder.name
                shutil.rmtree(target, ignore_errors=True)
                os.replace(folder, target)
        except OSError as error:
            raise UserError(
                f'cannot write the variants to {root}: '
                f'{error.strerror or error}'
            ) from error
        # last: all is there
        write_text(root / MARK, json.dumps(settings) + '\n')
    return True


def _are_there(mark: Path, settings: dict) -> bool:
    """Whether variants were made, to their end.

    Raises:
        UserError: With other settings.
    """
    if not mark.exists():
        return False
    found = json.loads(mark.read_text())
    if found != settings:
        raise UserError(
            f'{mark.parent} has variants made with {found}, asked: '
            f'{settings}. Delete {mark} to replace them.'
        )
    return True


def _write(root: Path, part: Path, seed: int) -> None:
    """Everything, below a folder that is renamed later."""
    val = root / 'imagenet/val'
    for name, change, classes in SETS:
        for path in _images(val, classes):
            _save(
                change(_rng(seed, name, path.name), _open(path)),
                part / name / path.parent.name / path.name,
            )
    for path in _images(val, CLASSES, CORRUPTED):
        image = _as_stored(_open(path))
        for name, corrupt in CORRUPTIONS.items():
            for severity in range(1, 6):
                rng = _rng(seed, f'{name} {severity}', path.name)
                _save(
                    corrupt(rng, image, severity),
                    part
                    / 'imagenet-c'
                    / name
                    / str(severity)
                    / path.parent.name
                    / path.name,
                )
    write_lvis(root / 'coco', part / 'lvis')
    for folder, write in (('places205', _places), ('inat18', _inat)):
        for split in ('train', 'val'):
            write(
                part / folder,
                split,
                list(_images(root / 'imagenet' / split, CLASSES)),
            )


def _images(
    folder: Path, classes: tuple[str, ...], most: int = 10**9
) -> Iterator[Path]:
    for name in classes:
        yield from sorted((folder / name).glob('*.jpg'))[:most]


def _rng(seed: int, *words: str) -> np.random.Generator:
    return np.random.default_rng(
        [seed, *(zlib.crc32(word.encode()) for word in words)]
    )


def _open(path: Path) -> Image.Image:
    return Image.open(path).convert('RGB')


def _as_stored(image: Image.Image) -> Image.Image:
    """Short side 96, centre crop 80."""
    scale = SHORT / min(image.size)
    image = image.resize(
        [round(side * scale) for side in image.size], Image.Resampling.BICUBIC
    )
    left, top = ((side - CROP) // 2 for side in image.size)
    return image.crop((left, top, left + CROP, top + CROP))


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, 'JPEG', quality=90)


def _places(folder: Path, split: str, images: list[Path]) -> None:
    """Lines of path and label, as Places205 ships them."""
    home = folder / 'trainvalsplit_places205'
    home.mkdir(parents=True, exist_ok=True)
    (home / f'{split}_places205.csv').write_text(
        ''.join(
            f'{path.parent.name}/{path.name} '
            f'{CLASSES.index(path.parent.name)}\n'
            for path in images
        )
    )


def _inat(folder: Path, split: str, images: list[Path]) -> None:
    """An annotation file in iNaturalist's form."""
    folder.mkdir(parents=True, exist_ok=True)
    content = dict(
        images=[
            dict(
                id=index,
                file_name=f'../imagenet/{split}/'
                f'{path.parent.name}/{path.name}',
            )
            for index, path in enumerate(images)
        ],
        categories=[
            dict(id=index, name=name) for index, name in enumerate(CLASSES)
        ],
        annotations=[
            dict(
                id=index,
                image_id=index,
                category_id=CLASSES.index(path.parent.name),
            )
            for index, path in enumerate(images)
        ],
    )
    (folder / f'{split}2018.json').write_text(json.dumps(content) + '\n')
