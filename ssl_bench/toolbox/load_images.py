"""Images as they come: those that cannot be used are noted, or stop."""

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

from ssl_bench.config import data_paths, map_nodes
from ssl_bench.errors import UserError
from ssl_bench.pixels import bare_jpeg, opened, orientation, read_rgb, turned
from ssl_bench.tasks.layouts.opening import size_fault

SKIPPED = 'skipped_images.txt'
GIVEN_UP = 'Cannot find valid image'  # mmengine's words, after 1000 tries
UNREADABLE: tuple[type[Exception], ...] = (OSError, cv2.error)
JPEG = ('JPEG', 'MPO')  # Pillow's names
JPEG_END = b'\xff\xd9'


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
    """mmcv's ``LoadImageFromFile``, on the reader of `ssl_bench.pixels`.

    A file that does not decode, or whose size is not that of its annotation,
    is noted and skipped in training, where another image takes its place; in
    testing it stops the run, since a number over fewer images would be
    another number.

    Args:
        skipped (str, optional): File that names of skipped images are added
            to; None to stop at the first.
        **kwargs: Of ``LoadImageFromFile``. With ``imdecode_backend='cv2'``
            OpenCV computes the pixels of JPEG files, which differ by a few
            levels; all else is the same.
    """

    def __init__(self, skipped: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.skipped = skipped

    def transform(self, results: dict) -> dict | None:
        """Read ``img_path``; None when it was skipped.

        Raises:
            UserError: It cannot be used, and may not be skipped.
        """
        path = results['img_path']
        try:
            image = self._read(path)
        except UNREADABLE as error:
            self._skip(path, f'cannot be read: {error}')
            return None
        fault = size_fault(
            (image.shape[1], image.shape[0]),
            (results.get('width') or 0, results.get('height') or 0),
        )
        if fault:
            self._skip(path, fault)
            return None
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _read(self, path: str) -> np.ndarray:
        """(H, W, 3) uint8, BGR."""
        content = fileio.get(path, backend_args=self.backend_args)
        if self.imdecode_backend == 'cv2':
            return read_bgr(content)
        return read_rgb(content)[..., ::-1]

    def _skip(self, path: str, fault: str) -> None:
        if self.skipped is None:
            raise UserError(
                f'{path} {fault}. Correct it; `ssl-bench data check TASK '
                '--decode all` finds every such one.'
            )
        note_skipped(self.skipped, path, fault)


def read_bgr(content: bytes) -> np.ndarray:
    """`read_rgb`, in BGR; OpenCV computes the pixels of JPEG files.

    OpenCV fills what is missing of a truncated file with grey and does not
    tell, and turns images of some formats only. So it decodes no other
    format, and a JPEG without an end is refused, as Pillow does. What OpenCV
    alone cannot decode, Pillow does.

    Args:
        content (bytes): Of a file.

    Raises:
        OSError: As `read_rgb`.
    """
    way, header = 1, bare_jpeg(content)
    plain = bool(header)
    if not plain:
        with opened(content) as image:
            way = orientation(image)
            header = image.fp.tell() if image.fp else 0
            plain = image.format in JPEG and image.mode in ('L', 'RGB')
    if not plain:
        return np.ascontiguousarray(read_rgb(content)[..., ::-1])
    if content.rfind(JPEG_END, header) < 0:
        raise OSError('image file is truncated')
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if pixels is None:  # of a damaged header
        return np.ascontiguousarray(read_rgb(content)[..., ::-1])
    return turned(pixels, way)


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
    `ReadMask`, depth maps with `ReadDepth`, objects' masks with
    `LoadInstances`. Test sets know that they are. Frozen features have no
    place to fill: a probe skips nothing.

    Args:
        config (Config): Changed in place.
        folder (Path): Of the run; skipped files are listed there.
    """
    if 'probe' in config:
        folder = None
    scope, classes = config.get('default_scope'), None
    if scope in LISTED:
        import_module(LISTED[scope].module)
    if scope == 'mmdet':
        import_module('ssl_bench.toolbox.instances')
    if scope == 'mmseg':
        classes = (
            config.probe.classes
            if 'probe' in config
            else config.model.decode_head.get('num_classes')
        )

    def change(value: Any, skipped: str | None, test: bool) -> Any:
        kind = value.get('type') if isinstance(value, dict) else None
        if test and kind and 'pipeline' in value:
            value.setdefault('test_mode', True)
        if kind == 'LoadImageFromFile':
            value['type'] = 'mmengine.ReadImage'
            value['skipped'] = skipped
            value.pop('_scope_', None)
        elif kind == 'LoadDepthAnnotation':
            value.update(type='ReadDepth', skipped=skipped)
        elif kind == 'LoadAnnotations' and classes is not None:
            value.update(type='ReadMask', classes=classes, skipped=skipped)
        elif kind == 'LoadAnnotations' and scope == 'mmdet':
            value['type'] = 'LoadInstances'
        elif (
            scope in LISTED
            and kind in LISTED[scope].sets
            and 'extensions' not in value
        ):
            value['type'] = f'Listed{kind}'
        return map_nodes(value, lambda item: change(item, skipped, test))

    listed = os.fspath(folder / SKIPPED) if folder else None
    places: dict[str, str | None] = dict(
        train_dataloader=listed,
        held_out_dataloader=listed,  # of the training images
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
