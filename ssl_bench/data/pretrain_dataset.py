"""Images without labels, decoded once, with a random stream each."""

import copy
import logging
import math
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, force_full_init
from mmengine.logging import print_log
from mmengine.registry import DATA_SAMPLERS
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

from ssl_bench.data.exact_batches import random_stream
from ssl_bench.data.storage import (
    ImageList,
    Names,
    Storage,
    no_images,
    open_storage,
)
from ssl_bench.data.storage.folder import Folder
from ssl_bench.data.storage.kept_lists import find_images
from ssl_bench.errors import UserError
from ssl_bench.files import PILLOW_ENDINGS, UNREADABLE_LIMIT
from ssl_bench.once_per_node import once
from ssl_bench.pixels import read_rgb

CHUNK = 4096  # indices that are Python's at once


@DATA_SAMPLERS.register_module()
class StreamSampler(DefaultSampler):
    """mmengine's sampler, with the epoch in its indices.

    Index ``epoch * len(dataset) + i`` lets `PretrainDataset` seed each
    sample by (seed, epoch, i): the same views for any number of loader
    workers or processes, new ones each epoch, and the same after a resume.

    Args:
        batch_size (int): Images per process and step. The epoch is padded
            with repeats to whole global batches, which queues need.
        drop_last (bool): Leave out what does not fill a global batch instead;
            with the loader's own argument of this name nothing would be left
            out, because what the sampler gives it is whole.

    Raises:
        UserError: The images are fewer than a global batch, in which one
            would be twice.
    """

    def __init__(
        self,
        dataset,
        *args,
        batch_size: int = 1,
        drop_last: bool = False,
        **kwargs,
    ) -> None:
        super().__init__(dataset, *args, **kwargs)
        batch = batch_size * self.world_size
        if len(dataset) < batch:
            each = f' ({batch_size} in each of {self.world_size} processes)'
            raise UserError(
                f'{len(dataset)} images do not fill a global batch of {batch}'
                f'{each if self.world_size > 1 else ""}. Take more images, or '
                'make train_dataloader.batch_size smaller.'
            )
        batches = len(dataset) / batch
        self.total_size = batch * (
            math.floor(batches) if drop_last else math.ceil(batches)
        )
        self.num_samples = self.total_size // self.world_size
        self.skipped = 0
        dataset.seed = self.seed

    def __iter__(self) -> Iterator[int]:
        count = len(self.dataset)
        if self.shuffle:
            numbers = torch.Generator()
            numbers.manual_seed(self.seed + self.epoch)
            order = torch.randperm(count, generator=numbers)
        else:
            order = torch.arange(count)
        order = order.repeat(-(-self.total_size // count))  # to whole batches
        own = order[self.rank : self.total_size : self.world_size]
        own = own[self.skipped :] + self.epoch * count
        self.skipped = 0
        for part in own.split(CHUNK):  # a million integers take 40 MB
            yield from part.tolist()

    def skip(self, number: int) -> None:
        """Leave out the first indices of this process, once.

        Args:
            number (int): Of the next iteration.
        """
        self.skipped = number


def require_images(dataset: dict[str, Any]) -> None:
    """Check that a config's images are there, without listing them.

    Args:
        dataset (dict): ``train_dataloader.dataset`` of a pretraining config;
            one that wraps others is followed, and an address (``s3://``)
            is left to who reads it.

    Raises:
        UserError: As `PretrainDataset`, or a list of images is missing.
    """
    inner = dataset.get('datasets') or [dataset.get('dataset')]
    for part in filter(None, inner):
        require_images(part)
    root = dataset.get('data_root')
    if not root or '://' in root:
        return
    prefix = dataset.get('data_prefix') or ''
    if not isinstance(prefix, str):
        prefix = next(iter(prefix.values()), '')
    storage = open_storage(os.path.join(root, prefix))
    listed = dataset.get('ann_file')
    if listed:
        _list_path(storage, root, listed)


def _list_path(storage: Storage, root: str, listed: str) -> str:
    """A list of images: in a folder, or next to a file with images.

    Raises:
        UserError: It is not there.
    """
    if not isinstance(storage, Folder):
        root = os.path.dirname(storage.root)
    path = os.path.join(root, os.path.expanduser(listed))
    if not os.path.isfile(path):
        raise UserError(f'no list {path} of images.')
    return path


@DATASETS.register_module()
class PretrainDataset(CustomDataset):
    """Images for pretraining, of a folder or in files that hold many.

    ``data_root`` is a folder, or a file or pattern of files
    (`ssl_bench.data.storage.open_storage`). Samples are in the order of the
    paths, so the same images give the same samples wherever they are. Of
    several processes the first lists them, and the others of its machine use
    its memory.

    An image that cannot be decoded is named in the log, marked in
    ``unreadable`` and replaced by the next one. The marks are in memory
    shared with the loader workers; `UnreadableImagesHook` reads them in the
    main process and stops the run when they are too many.

    Args:
        ann_file (str): A list of the images to use, a path in a line. It is
            in ``data_root``, or next to it where that is a file.
        backgrounds (int): How many further images to decode with each one,
            drawn uniformly with replacement (InsLoc's backgrounds).
        extensions (Sequence[str]): Endings of the files to read.
        unreadable_limit (float): Fraction of the images that may be
            unreadable; more stop the run.

    Raises:
        UserError: The data root is missing, or has no image.

    Attributes:
        images (ImageList): Their names, and where they are.
    """

    own_streams = True  # by epoch and index, see `StreamSampler`
    _fully_initialized = False

    def __init__(
        self,
        *args,
        backgrounds: int = 0,
        extensions: Sequence[str] = PILLOW_ENDINGS,
        unreadable_limit: float = UNREADABLE_LIMIT,
        ann_file: str = '',
        **kwargs,
    ) -> None:
        if not 0 <= unreadable_limit <= 1:
            raise UserError(
                'train_dataloader.dataset.unreadable_limit is a fraction of '
                f'the images, from 0 to 1, not {unreadable_limit}.'
            )
        self.unreadable_limit = unreadable_limit
        self.backgrounds = backgrounds
        self.seed = 0
        self.listed = ann_file
        super().__init__(
            *args, with_label=False, extensions=extensions, **kwargs
        )

    def full_init(self) -> None:
        """Find the images; the toolkit would keep a pickle of each."""
        if self._fully_initialized:
            return
        self.storage = open_storage(self.folder, self.extensions)
        self._use(once(self._find))
        self._fully_initialized = True
        if self._indices is not None:
            self.get_subset_(self._indices)

    def _use(self, images: ImageList) -> None:
        """Take these images; none is known to be unreadable."""
        self.images = images
        self.unreadable = torch.zeros(
            len(images), dtype=torch.bool
        ).share_memory_()

    def _find(self) -> ImageList:
        """What is in the storage, or those of them that are listed."""
        path = self.listed and _list_path(
            self.storage, self.data_root, self.listed
        )
        if path and isinstance(self.storage, Folder):
            images = self.storage.select(
                ImageList(Names.of(())), self._read_list(path)
            )
        else:
            found = find_images(self.storage)
            images = found.images
            if not len(images):
                raise no_images(self.storage, found)
            if path:
                images = self.storage.select(images, self._read_list(path))
        if not len(images):
            raise UserError(f'{path} lists no image.')
        return images

    def _read_list(self, path: str) -> list[str]:
        """The lines of a list, in the order of the paths that they make."""
        try:
            with open(path, encoding='utf-8') as file:
                lines = [line.rstrip('\r\n') for line in file]
        except (OSError, ValueError) as error:
            raise UserError(f'{path} cannot be read: {error}') from error
        below = f'{self.folder}/'
        return sorted(
            (line.removeprefix(below) for line in lines if line),
            key=lambda name: os.path.join(self.folder, name),
        )

    @property
    def folder(self) -> str:
        """Where the names of the images begin."""
        return (self.img_prefix or self.data_root).rstrip('/')

    @property
    def others(self) -> str:
        """How many files of other endings are left out."""
        return self.images.others

    @force_full_init
    def __len__(self) -> int:
        return len(self.images)

    @force_full_init
    def get_data_info(self, idx: int) -> dict:
        """Path and number of an image; there need not be such a file."""
        index = idx if idx >= 0 else len(self) + idx
        path = os.path.join(self.folder, self.images.names[index])
        return dict(img_path=path, sample_idx=index)

    @force_full_init
    def get_subset_(self, indices: Sequence[int] | int) -> None:
        """Keep some of the images.

        Args:
            indices (Sequence[int] | int): Their numbers, or how many of the
                first, or, below 0, of the last.
        """
        if isinstance(indices, int):
            every = range(len(self.images))
            indices = every[:indices] if indices >= 0 else every[indices:]
        self._use(self.images.take(indices))

    def get_subset(self, indices: Sequence[int] | int) -> 'PretrainDataset':
        """The same data set with some of the images, see `get_subset_`."""
        other = copy.copy(self)
        other.get_subset_(indices)
        return other

    def summary(self) -> str:
        """How many images there are, by ending, and what is left out."""
        text = f'{len(self)} images in {self.folder}: {self.images.kinds}'
        return f'{text}; left out: {self.others}' if self.others else text

    def __getitem__(self, index: int) -> dict:
        epoch, index = divmod(index, len(self))
        with random_stream(self.seed, epoch, index):
            index, image = self._read_from(index)
            results = self.get_data_info(index)
            results['img'] = image
            results['backgrounds'] = [
                self._read_from(np.random.randint(len(self)))[1]
                for _ in range(self.backgrounds)
            ]
            return self.pipeline(results)

    def _read_from(self, index: int):
        """The first readable image at or after ``index``, and its index."""
        for step in range(len(self)):
            current = (index + step) % len(self)
            if self.unreadable[current]:
                continue
            try:
                image = read_rgb(self.storage.source(self.images, current))
            except OSError as error:
                self.unreadable[current] = True
                path = self.get_data_info(current)['img_path']
                print_log(
                    f'unreadable image {path}: {error}; skipped',
                    'current',
                    logging.WARNING,
                )
                continue
            return current, image
        raise UserError('no readable image in the training folder.')
