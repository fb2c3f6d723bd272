"""Images without labels, decoded once, with a random stream each."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler
from mmengine.logging import print_log
from mmengine.registry import DATA_SAMPLERS
from mmpretrain.datasets import CustomDataset
from mmpretrain.registry import DATASETS

from ssl_bench.data.exact_batches import random_stream
from ssl_bench.errors import UserError
from ssl_bench.files import IMAGE_ENDINGS, count_endings, list_images
from ssl_bench.pixels import read_rgb


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
        UserError: ``drop_last`` leaves nothing.
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
        if drop_last and len(dataset) < batch:
            raise UserError(
                f'{len(dataset)} images do not fill a global batch of {batch}'
                ', and the incomplete one is dropped. Make '
                'train_dataloader.batch_size smaller.'
            )
        batches = len(dataset) / batch
        self.total_size = batch * (
            math.floor(batches) if drop_last else math.ceil(batches)
        )
        self.num_samples = self.total_size // self.world_size
        dataset.seed = self.seed

    def __iter__(self) -> Iterator[int]:
        start = self.epoch * len(self.dataset)
        return (start + index for index in super().__iter__())


def _require_folder(folder: Path) -> None:
    """Check that images can be listed.

    Raises:
        UserError: No such folder; says what to do.
    """
    if not folder.is_dir():
        raise UserError(
            f'no folder {folder} to pretrain on. Write the embedded data '
            'with `ssl-bench data mini --root data/mini`, or point '
            '`train_dataloader.dataset.data_root` at your images.'
        )


def require_images(dataset: dict[str, Any]) -> None:
    """Check that a config's images are there, without listing them.

    Args:
        dataset (dict): ``train_dataloader.dataset`` of a pretraining config;
            one that wraps others is followed.

    Raises:
        UserError: As `PretrainDataset`, or a list of images is missing.
    """
    inner = dataset.get('datasets') or [dataset.get('dataset')]
    for part in filter(None, inner):
        require_images(part)
    root = dataset.get('data_root')
    if not root:
        return
    prefix = dataset.get('data_prefix') or ''
    if not isinstance(prefix, str):
        prefix = next(iter(prefix.values()), '')
    _require_folder(Path(root, prefix))
    listed = dataset.get('ann_file')
    if listed and not Path(root, listed).is_file():
        raise UserError(f'no list {Path(root, listed)} of images.')


@DATASETS.register_module()
class PretrainDataset(CustomDataset):
    """A folder of images for pretraining.

    An image that cannot be decoded is named in the log, marked in
    ``unreadable`` and replaced by the next one. The marks are in memory
    shared with the loader workers; `UnreadableImagesHook` reads them in the
    main process and stops the run when they are too many.

    Args:
        backgrounds (int): How many further images to decode with each one,
            drawn uniformly with replacement (InsLoc's backgrounds).
        extensions (Sequence[str]): Endings of the files to read.
        unreadable_limit (float): Fraction of the images that may be
            unreadable; more stop the run.

    Raises:
        UserError: The folder is missing or has no image.
    """

    own_streams = True  # by epoch and index, see `StreamSampler`

    def __init__(
        self,
        *args,
        backgrounds: int = 0,
        extensions: Sequence[str] = IMAGE_ENDINGS,
        unreadable_limit: float = 0.01,
        **kwargs,
    ) -> None:
        if not 0 <= unreadable_limit <= 1:
            raise UserError(
                'train_dataloader.dataset.unreadable_limit is a fraction of '
                f'the images, from 0 to 1, not {unreadable_limit}.'
            )
        self.unreadable_limit = unreadable_limit
        self.others: list[str] = []
        self.backgrounds = backgrounds
        self.seed = 0
        super().__init__(
            *args, with_label=False, extensions=extensions, **kwargs
        )
        self.unreadable = torch.zeros(
            len(self), dtype=torch.bool
        ).share_memory_()

    def load_data_list(self) -> list[dict]:
        """List the images; the error for a missing folder says what to do."""
        folder = Path(self.img_prefix or self.data_root)
        _require_folder(folder)
        try:
            data = super().load_data_list()
        except (AssertionError, RuntimeError, OSError) as error:
            raise UserError(f'{folder} cannot be listed: {error}') from error
        if not data:
            there = count_endings(self.others)
            raise UserError(
                f'{folder} has no image with one of the '
                f'endings {", ".join(self.extensions)}'
                f'{f", but {there}" if there else ""}.'
            )
        return sorted(data, key=lambda info: info['img_path'])

    def _find_samples(self) -> list[str]:
        """Paths below the folder; the transfer tasks list the same files."""
        found = list_images(self.img_prefix, tuple(self.extensions))
        self.others = found.others
        return found.images

    def summary(self) -> str:
        """How many images there are, by ending, and what is left out."""
        names = (
            self.get_data_info(index)['img_path'] for index in range(len(self))
        )
        folder = (self.img_prefix or self.data_root).rstrip('/')
        text = f'{len(self)} images in {folder}: {count_endings(names)}'
        if self.others:
            text += f'; left out: {count_endings(self.others)}'
        return text

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
            path = self.get_data_info(current)['img_path']
            try:
                image = read_rgb(path)
            except OSError as error:
                self.unreadable[current] = True
                print_log(
                    f'unreadable image {path}: {error}; skipped',
                    'current',
                    logging.WARNING,
                )
                continue
            return current, image
        raise UserError('no readable image in the training folder.')
