"""Build the embedded data as a whole, or leave nothing behind."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ssl_bench.data.mini import sets
from ssl_bench.data.mini.photos import load_photos
from ssl_bench.errors import UserError
from ssl_bench.files import sha256
from ssl_bench.run_folder import workshop

#: Changes whenever the same settings would give other bytes.
VERSION = 3
MANIFEST = 'mini.json'
#: Libraries that decide the bytes.
LIBRARIES = ('numpy', 'pillow', 'scikit-image', 'scipy')

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class MiniSizes:
    """How many images of each set, and how large.

    Attributes:
        imagenet_train (int): Images in imagenet/train.
        imagenet_val (int): Images in imagenet/val.
        imagenet_px (int): Longer side of those, in pixels.
        voc07_trainval (int): VOC2007 images in trainval, half of them train.
        voc07_test (int): VOC2007 test images.
        voc12_trainval (int): VOC2012 images with boxes, half of them train.
        seg_train (int): VOC2012 images with masks, in Segmentation/train.
        seg_val (int): The same in Segmentation/val.
        coco_train (int): COCO train2017 images.
        coco_val (int): COCO val2017 images.
        nyu_train (int): NYUv2 images with depth maps in nyu_train.txt.
        nyu_test (int): The same in nyu_test.txt.
        spair_trn (int): SPair-71k images of each class in trn.
        spair_val (int): The same in val.
        spair_test (int): The same in test.
        px (int): Longer side of all images but ImageNet's, in pixels.
    """

    imagenet_train: int = 800
    imagenet_val: int = 800
    imagenet_px: int = 112
    voc07_trainval: int = 240
    voc07_test: int = 120
    voc12_trainval: int = 160
    seg_train: int = 240
    seg_val: int = 80
    coco_train: int = 400
    coco_val: int = 100
    nyu_train: int = 120
    nyu_test: int = 40
    spair_trn: int = 3
    spair_val: int = 2
    spair_test: int = 5
    px: int = 160

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            low, high = (
                (48, 1024)
                if entry.name.endswith('px')
                else (8, 1_000_000)
                if entry.name.startswith('imagenet')
                else (2, 999_999)
            )
            if (
                isinstance(value, bool)
                or not isinstance(value, int)
                or not low <= value <= high
            ):
                raise UserError(
                    f'size {entry.name} of the embedded data must be a whole '
                    f'number from {low} to {high}; got {value!r}'
                )


class Mini(NamedTuple):
    """Where the data are, their manifest, and whether this call made them."""

    root: Path
    manifest: dict
    created: bool


def make_mini(
    root: str | Path,
    seed: int = 0,
    sizes: MiniSizes = MiniSizes(),
    progress: Progress | None = None,
) -> Mini:
    """Write the embedded data under ``root``, unless they are there.

    Everything is built in a folder next to ``root`` that is renamed at the
    end, so ``root`` is either complete or as it was. One process at a time
    builds; another waits. What a killed one left is removed.

    Args:
        root (str | Path): Folder to make; absent, empty, or finished with
            the same settings.
        seed (int): From 0 to 2**32 - 1; decides every pixel.
        sizes (MiniSizes): Numbers of images and their sizes.
        progress (Callable, optional): Called with (done, total) images.

    Raises:
        UserError: ``root`` holds something else, or data made with other
            settings; or it cannot be written.
    """
    root = Path(root).expanduser().resolve()
    settings = _settings(seed, sizes)
    finished = _finished(root, settings)
    if finished is not None:
        return Mini(root, finished, False)
    with workshop(root.with_name(f'.{root.name}.part')) as part:
        finished = _finished(root, settings)  # made meanwhile by another
        if finished is not None:
            return Mini(root, finished, False)
        try:
            show = progress or (lambda done, total: None)
            _write_all(part, seed, sizes, show)
            manifest = _manifest(part, settings)
            (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + '\n')
            os.replace(part, root)
        except OSError as error:
            raise UserError(
                f'cannot write the embedded data to {root}: '
                f'{error.strerror or error}. Nothing was written there; free '
                'space or choose another place.'
            ) from error
    return Mini(root, manifest, True)


def mini_is_there(root: str | Path) -> bool:
    """Whether `make_mini` with its own settings would do nothing.

    Raises:
        UserError: As `make_mini`, of what ``root`` holds.
    """
    root = Path(root).expanduser().resolve()
    return _finished(root, _settings(0, MiniSizes())) is not None


def _settings(seed: int, sizes: MiniSizes) -> dict:
    if (
        isinstance(seed, bool)
        or not isinstance(seed, int)
        or not 0 <= seed < 2**32
    ):
        raise UserError(
            f'the seed of the embedded data must be a whole '
            f'number from 0 to {2**32 - 1}; got {seed!r}'
        )
    return dict(version=VERSION, seed=seed, sizes=asdict(sizes))


def _finished(root: Path, settings: dict) -> dict | None:
    """The manifest of finished data of these settings; None if no data."""
    if not os.path.lexists(root):
        return None
    if not root.is_dir():
        raise UserError(
            f'{root} is a file; the embedded data need a folder. '
            'Choose another one.'
        )
    path = root / MANIFEST
    try:
        if next(os.scandir(root), None) is None:
            return None
        manifest = json.loads(path.read_text()) if path.is_file() else None
    except (OSError, ValueError):
        manifest = None
    if not isinstance(manifest, dict) or 'fingerprint' not in manifest:
        raise UserError(
            f'{root} holds something that is not the embedded data. Nothing '
            'was changed; choose another folder.'
        )
    other = [
        f'{key} {_flat(manifest).get(key)!r} (asked: {value!r})'
        for key, value in _flat(settings).items()
        if _flat(manifest).get(key) != value
    ]
    if other:
        raise UserError(
            f'{root} holds embedded data made with {"; ".join(other)}. '
            'Nothing was changed; choose another folder, or delete that '
            'folder first.'
        )
    found = len(_files(root))
    if found < manifest['files']:
        raise UserError(
            f'{root} has lost files: {found} of {manifest["files"]} are '
            'there. Delete the folder and run this again.'
        )
    return manifest


def _flat(settings: dict) -> dict:
    return {**settings, **settings.get('sizes', {})} | {'sizes': None}


def _write_all(
    part: Path, seed: int, sizes: MiniSizes, progress: Progress
) -> None:
    load_photos()  # before any process starts, and to fail early
    plans = sets.plans(part, seed, sizes)
    jobs = [job for plan in plans for job in plan.jobs]
    results = []
    with sets.each_result(jobs) as stream:
        for result in stream:
            results.append(result)
            progress(len(results), len(jobs))
    first = 0
    for plan in plans:
        plan.finish(results[first : first + len(plan.jobs)])
        first += len(plan.jobs)


def _files(root: Path) -> list[Path]:
    """Every file below ``root`` but the manifest, sorted by its path."""
    return sorted(
        (
            Path(base) / name
            for base, _, names in os.walk(root)
            for name in names
            if Path(base) != root or name != MANIFEST
        ),
        key=lambda path: path.relative_to(root).as_posix(),
    )


def fingerprint(root: str | Path) -> str:
    """SHA-256 over the relative paths and contents of all files.

    The manifest itself is left out. Two folders with the same fingerprint
    hold the same data.
    """
    root = Path(root)
    digest = hashlib.sha256()
    for path in _files(root):
        name = path.relative_to(root).as_posix()
        digest.update(f'{name}\0{sha256(path)}\n'.encode())
    return digest.hexdigest()


def _manifest(part: Path, settings: dict) -> dict:
    return dict(
        settings,
        name='mini',
        files=len(_files(part)),
        libraries={name: metadata.version(name) for name in LIBRARIES},
        fingerprint=fingerprint(part),
    )
