"""Images as they come: other modes, and files that do not decode."""

import io
import os
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmengine.config import Config
from mmengine.registry import TRANSFORMS
from PIL import Image

from ssl_bench.config import data_paths, map_nodes
from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts.base import image_errors

SKIPPED = 'skipped_images.txt'
GIVEN_UP = 'Cannot find valid image'  # mmengine's words, after 1000 tries
UNREADABLE: tuple[type[Exception], ...] = (
    *image_errors(),
    AssertionError,  # OpenCV's decoder found nothing
    cv2.error,
)
DEEP = ('I', 'F')  # begin the names of Pillow's modes over 8 bit


class Listed(NamedTuple):
    """Sets of a toolkit for which a module has a class ``Listed<name>``."""

    module: str
    sets: tuple[str, ...]


LISTED = dict(
    mmpretrain=Listed(
        'ssl_bench.toolbox.image_sets',
        ('CustomDataset', 'ImageNet', 'Places205', 'VOC'),
    ),
    mmseg=Listed(
        'ssl_bench.toolbox.load_masks',
        (
            'BaseSegDataset',
            'PascalVOCDataset',
            'ADE20KDataset',
            'CityscapesDataset',
        ),
    ),
)


@TRANSFORMS.register_module()
class ReadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile``, for files that are not as expected.

    Greyscale, palette and CMYK images become three channels, as mmcv's do.
    Of 16-bit images the high byte is kept; Pillow alone would turn nearly
    all of them white. A file that does not decode is noted and skipped in
    training, where another image takes its place; in testing it stops the
    run, since a number over fewer images would be another number. OpenCV
    fills what is missing of a truncated file with grey and does not tell.

    Args:
        skipped (str, optional): File that names of skipped images are added
            to; None to stop at the first.
        **kwargs: Of ``LoadImageFromFile``.
    """

    def __init__(self, skipped: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.skipped = skipped

    def transform(self, results: dict) -> dict | None:
        """Read ``img_path``; None when it was skipped.

        Raises:
            UserError: It does not decode, and may not be skipped.
        """
        path = results['img_path']
        try:
            deep = (
                self._deep(path) if self.imdecode_backend == 'pillow' else None
            )
            if deep is None:
                return super().transform(results)
        except UNREADABLE as error:
            self._skip(path, error)
            return None
        results['img'] = deep.astype(np.float32) if self.to_float32 else deep
        results['img_shape'] = results['ori_shape'] = deep.shape[:2]
        return results

    def _deep(self, path: str) -> np.ndarray | None:
        """(H, W, 3) uint8 of an image over 8 bit, None of any other."""
        data = fileio.get(path, backend_args=self.backend_args)
        with Image.open(io.BytesIO(data)) as image:
            if not image.mode.startswith(DEEP):
                return None
            values = np.asarray(image)
        if image.mode != 'F' and values.max(initial=0) > 255:
            values = values // 256
        values = values.clip(0, 255).astype(np.uint8)
        return np.repeat(values[..., None], 3, axis=2)

    def _skip(self, path: str, error: Exception) -> None:
        if self.skipped is None:
            raise UserError(
                f'{path} cannot be read: {error}. Replace the file; '
                '`ssl-bench data check TASK --decode all` finds every such '
                'one.'
            ) from error
        note_skipped(self.skipped, path, f'{type(error).__name__}: {error}')


def note_skipped(file: str, path: str, reason: str) -> None:
    """Add a line to a run's list of skipped files.

    It is one write, so that lines of several workers do not mix.
    """
    line = f'{path}\t{reason}'.splitlines()[0]
    with open(file, 'ab', buffering=0) as stream:
        stream.write(f'{line}\n'.encode())


def read_with_care(config: Config, folder: Path | None) -> None:
    """Let a task's loaders list, open and check as the layouts do.

    The sets of the toolkits become ours (`LISTED`), unless a config sets the
    file endings itself; images are read with `ReadImage`, masks with
    `ReadMask`. Test sets know that they are. Frozen features have no place to
    fill: a probe skips nothing.

    Args:
        config (Config): Changed in place.
        folder (Path): Of the run; skipped files are listed there.
    """
    if 'probe' in config:
        folder = None
    scope, classes = config.get('default_scope'), None
    if scope in LISTED:
        import_module(LISTED[scope].module)
    if scope == 'mmseg':
        classes = config.model.decode_head.num_classes

    def change(value: Any, skipped: str | None, test: bool) -> Any:
        kind = value.get('type') if isinstance(value, dict) else None
        if test and kind and 'pipeline' in value:
            value.setdefault('test_mode', True)
        if kind == 'LoadImageFromFile':
            value['type'] = 'mmengine.ReadImage'
            value['skipped'] = skipped
            value.pop('_scope_', None)
        elif kind == 'LoadAnnotations' and classes is not None:
            value.update(type='ReadMask', classes=classes, skipped=skipped)
        elif (
            scope in LISTED
            and kind in LISTED[scope].sets
            and 'extensions' not in value
        ):
            value['type'] = f'Listed{kind}'
        return map_nodes(value, lambda item: change(item, skipped, test))

    places: dict[str, str | None] = dict(
        train_dataloader=os.fspath(folder / SKIPPED) if folder else None,
        test_dataloader=None,
    )
    for name, skipped in places.items():
        if config.get(name) is not None:
            change(config[name], skipped, name == 'test_dataloader')


def skipped_images(folder: Path) -> list[str]:
    """Distinct images that a run has skipped, sorted."""
    path = folder / SKIPPED
    if not path.exists():
        return []
    return sorted(
        {line.split('\t')[0] for line in path.read_text().splitlines()}
    )


def none_usable(config: Config, folder: Path) -> UserError:
    """What to raise when the loaders draw in vain: all images are skipped.

    Args:
        config (Config): Of the task.
        folder (Path): Of the run.
    """
    places = ' and '.join(
        map(str, data_paths(dict(train_dataloader=config.train_dataloader)))
    )
    skipped = skipped_images(folder)
    reason = (
        f'{folder / SKIPPED} lists {len(skipped)} and says of each '
        'what is wrong. Replace them'
        if skipped
        else 'The files can be read, but the train pipeline keeps none. Fix it'
    )
    return UserError(
        f'no training image of {places} can be used: one was '
        f'drawn again and again in vain. {reason}, and run '
        'again.'
    )
