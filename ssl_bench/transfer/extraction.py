"""Features of a probe's splits: their names on disk, and their extraction."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.config import Config
from torch import Tensor

from ssl_bench.checkpoints.backbone import tensors_sha256
from ssl_bench.config import data_paths
from ssl_bench.engine.progress import ProgressLine
from ssl_bench.engine.runner import AtomicRunner
from ssl_bench.engine.stopping import signals_held
from ssl_bench.tasks.fingerprint import fingerprint, listing_sha256
from ssl_bench.tasks.layouts.masks import IGNORED
from ssl_bench.tasks.table import find_task
from ssl_bench.toolbox.check_data import read_elsewhere
from ssl_bench.transfer.feature_writer import write_features
from ssl_bench.transfer.features import Dealing
from ssl_bench.transfer.frozen import POOLS, Frozen
from ssl_bench.transfer.own import without_places
from ssl_bench.transfer.plan import Plan

SPLITS = ('train', 'test')
# settings of a backbone that change no feature of given weights
OF_TRAINING = ('init_cfg', 'frozen_stages', 'norm_eval', 'drop_path_rate')


def splits_of(config: Config) -> tuple[str, ...]:
    """The splits that a probe reads."""
    return tuple(
        split for split in SPLITS if config.get(f'{split}_dataloader')
    )


def cache_keys(plan: Plan, model: Frozen, root: str) -> dict[str, str]:
    """Name of the features of each split.

    The splits of images have one name. Those of patches have their own, so
    that probes which read other training images share the test's.
    """
    digest = tensors_sha256(
        {
            name: tensor.cpu()
            for name, tensor in model.backbone.state_dict().items()
        }
    )
    splits = splits_of(plan.config)
    if model.rule is None:
        return dict.fromkeys(splits, _key(plan, model, root, digest, splits))
    return {
        split: _key(plan, model, root, digest, (split,)) for split in splits
    }


def _key(
    plan: Plan, model: Frozen, root: str, digest: str, splits: Sequence[str]
) -> str:
    """Name of weights, data and the way of reading them, 32 digits.

    The data root is not part of it: the fingerprint is of what is there. Data
    that are not the task's count with a fingerprint of their own. Nothing of
    what a head does with the features is part of it.
    """
    row = find_task(plan.task)
    elsewhere = [
        (str(path), listing_sha256(path))
        for path in data_paths(plan.config)
        if read_elsewhere([path], row.data, root)
    ]
    settings = {
        f'{split}_dataloader': without_places(
            without_roots(
                plan.config[f'{split}_dataloader'].dataset.to_dict()
            ),
            row.own,
        )
        for split in splits
    }
    # equal tensors with other heads, strides or style give other features
    settings['network'] = {
        name: value
        for name, value in model.taken.items()
        if name not in OF_TRAINING
    }
    settings['pixels'] = plan.config.data_preprocessor.to_dict()
    settings['precision'] = plan.config.probe.get('precision', 'float32')
    if model.rule is None:
        settings['pool'] = plan.config.probe.get('pool', 'global_average')
    else:
        # of two rules that take the same maps of this network, the features
        # are the same
        settings['maps'] = dict(
            class_token=model.rule.class_token, padding=model.rule.padding
        )
    if model.mixed:  # single precision keeps the names that it had
        settings['compute'] = 'bfloat16'
    text = json.dumps(
        [digest, fingerprint(row.data, root), settings, *elsewhere],
        sort_keys=True,
        default=str,
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def without_roots(value: Any) -> Any:
    """A config value without data roots; the fingerprint replaces them."""
    if isinstance(value, dict):
        return {
            key: without_roots(item)
            for key, item in value.items()
            if key != 'data_root'
        }
    if isinstance(value, (list, tuple)):
        return [without_roots(item) for item in value]
    return value


def extract(
    model: Frozen, config: Config, split: str, title: str, folder: Path
) -> None:
    """Run one split through a frozen backbone, and write its features.

    Each process has whole batches of it, in turn.

    Args:
        model (Frozen): On this process's device.
        config (Config): With ``probe`` and the split's loader.
        split (str): train or test.
        title (str): Of the progress.
        folder (Path): To write, as `write_features` does.
    """
    settings = config[f'{split}_dataloader'].to_dict()
    size = settings['batch_size']
    sampler = dict(type='mmengine.WholeBatches', batch_size=size)
    loader: Any = AtomicRunner.build_dataloader(
        {**settings, 'sampler': sampler}
    )
    pool = (
        POOLS[config.probe.get('pool', 'global_average')]
        if model.rule is None
        else None
    )

    def batches(done: int) -> Iterator[tuple[Tensor, Tensor]]:
        loader.sampler.skip(done)
        total = done + len(loader)
        return _batches(model, loader, pool, ProgressLine(title, total, done))

    write_features(
        folder,
        batches,
        Dealing(len(loader.dataset), size, dist.get_world_size()),
        config.probe.get('precision', 'float32'),
    )


def _batches(
    model: Frozen,
    loader: Any,
    pool: Callable[[Tensor], Tensor] | None,
    line: ProgressLine,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Features and labels of this process's batches."""
    classes = len(loader.dataset.metainfo.get('classes') or ())
    with signals_held():
        loaded = iter(loader)
    for done, batch in enumerate(loaded, line.first + 1):
        found, samples = model(batch, pool)
        labels = torch.stack([_label(sample, classes) for sample in samples])
        if model.maps is not None and labels.ndim == 3:
            labels = model.maps.of_masks(labels, IGNORED)
        yield found, labels
        line.update(done)


def _label(sample, classes: int) -> Tensor:
    """Class index; of a multi-label sample 1, 0, or -1 (only difficult).

    Of a segmentation set the mask, (H, W) uint8.
    """
    if 'gt_sem_seg' in sample:
        return sample.gt_sem_seg.data[0].to(torch.uint8).cpu()
    if 'gt_label_difficult' not in sample:
        return sample.gt_label[0].cpu()
    label = torch.zeros(classes, dtype=torch.int64)
    label[list(sample.gt_label_difficult)] = -1
    label[sample.gt_label.cpu()] = 1
    return label
