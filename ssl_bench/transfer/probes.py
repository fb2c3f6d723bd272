"""Probes of frozen features: one extraction pass, cached, then seconds."""

import hashlib
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from mmengine.runner import Runner, set_random_seed
from torch import Tensor, nn

from ssl_bench.checkpoints.backbone import (
    read_safetensors,
    tensors_sha256,
    write_safetensors,
)
from ssl_bench.config import data_paths
from ssl_bench.engine.progress import ProgressLine
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.layers.collectives import gather
from ssl_bench.tasks.fingerprint import fingerprint, listing_sha256
from ssl_bench.tasks.table import find_task
from ssl_bench.toolbox.check_data import check_same, read_elsewhere
from ssl_bench.transfer.plan import Plan
from ssl_bench.transfer.probe_scores import (
    Features,
    knn,
    linear,
    logistic,
    svm,
)
from ssl_bench.transfer.record import Measured
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.weights import load_whole


class Frozen(nn.Module):
    """A backbone and the preparation of its input, for extraction.

    Args:
        backbone (dict): Config of an mmpretrain backbone.
        preprocessor (dict): Mean, std and channel order.
    """

    def __init__(self, backbone: dict, preprocessor: dict) -> None:
        super().__init__()
        from mmpretrain.registry import MODELS

        self.backbone = MODELS.build(backbone)
        settings = dict(type='ClsDataPreprocessor', **preprocessor)
        self.data_preprocessor = MODELS.build(settings)

    @torch.no_grad()
    def forward(
        self, batch: dict, pool: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, list]:
        """A loader's batch to (B, D) features and its data samples."""
        batch = self.data_preprocessor(batch, False)
        # (B, C, H, W), or (B, C) of a class token
        features = self.backbone(batch['inputs'])[-1]
        return pool(features), batch['data_samples']


def global_average(features: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C)."""
    return features.mean(dim=(2, 3))


def corner_average(features: Tensor) -> Tensor:
    """(B, C, 7, 7) to (B, 4C): 6 x 6 means at stride 1, as VISSL does."""
    return F.avg_pool2d(features, 6, stride=1).flatten(1)


def class_token(features: Tensor) -> Tensor:
    """(B, C), as a ViT with ``out_type='cls_token'`` gives it."""
    return features


POOLS = dict(
    class_token=class_token,
    global_average=global_average,
    corner_average=corner_average,
)


def run_probe(
    plan: Plan, source: Source, seed: int, folder: Path, root: str
) -> Measured:
    """Extract features, or read them from the cache, and score the probe.

    Args:
        plan (Plan): Its config has ``backbone``, ``probe``,
            ``train_dataloader`` and ``test_dataloader``.
        source (Source): What is probed.
        seed (int): Decides a random initialisation, and a probe's own
            draws where it has any.
        folder (Path): Of the run; the cache is next to the runs.
        root (str): Data root, for the cache's key.
    """
    settings = plan.config.probe
    if settings.type not in PROBES:
        raise unknown_name('probe', settings.type, PROBES)
    set_random_seed(seed)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = build_frozen(plan.config, source)
        key = cache_key(plan, model, root)
        home = folder.parent / 'features'
        files = {
            split: home / f'{key}_{split}.safetensors'
            for split in ('train', 'test')
        }
        if not on_main_process(lambda: all(map(Path.exists, files.values()))):
            check_probe(plan.config)
        for split, path in files.items():
            title = f'{plan.task}, {source.method}, {split}'

            def make(split: str = split, title: str = title) -> Any:
                return extract(model, plan.config, split, title)

            keep_features(path, make)

    def probed() -> tuple[dict[str, float], int]:
        splits = [
            Features(**read_safetensors(path)[0]) for path in files.values()
        ]
        return score(settings, splits, seed), len(splits[0].labels)

    found, images = on_main_process(probed)
    return Measured(
        {name: value for name, value in found.items() if '/' not in name},
        images,
        details={name: value for name, value in found.items() if '/' in name},
    )


def score(
    settings: dict[str, Any], splits: list[Features], seed: int
) -> dict[str, float]:
    """Apply a probe to the features of both splits.

    Args:
        settings (dict): ``type`` and the probe's own arguments.
        splits (list[Features]): Training and test.
        seed (int): Of the run, for a probe that draws.
    """
    probe = PROBES[settings['type']]
    options = {
        name: value
        for name, value in settings.items()
        if name not in ('type', 'pool')
    }
    if 'seed' in inspect.signature(probe).parameters:
        options.setdefault('seed', seed)
    return probe(*splits, **options)


def on_main_process(make: Callable[[], Any]) -> Any:
    """Compute in the first process; every process gets the result.

    Raises:
        UserError: In every process, when the first raised one.
    """
    shared: list[Any] = [None, None]
    if dist.is_main_process():
        try:
            shared[0] = make()
        except UserError as error:
            shared[1] = str(error)
    dist.broadcast_object_list(shared)
    if shared[1] is not None:
        raise UserError(shared[1])
    return shared[0]


def check_probe(config: Config) -> None:
    """Compare the classes of training and test images.

    Raises:
        UserError: They differ.
    """
    from mmpretrain.registry import DATASETS

    try:
        sets = [
            DATASETS.build(config[f'{split}_dataloader'].dataset)
            for split in ('train', 'test')
        ]
    except AssertionError as error:  # how the toolkits' readers complain
        raise UserError(f'the data are not as expected: {error}') from error
    check_same(*sets)


def build_frozen(config: Config, source: Source) -> Frozen:
    """The backbone with its weights, in evaluation mode."""
    model = Frozen(config.backbone, dict(config.data_preprocessor))
    model.backbone.init_weights()
    if source.backbone is not None:
        load_whole(model.backbone, source)
    return model.to(get_device()).eval()


def cache_key(plan: Plan, model: Frozen, root: str) -> str:
    """Name of weights, data and the way of reading them, 32 digits.

    The data root is not part of it: the fingerprint is of what is there. Data
    that are not the task's count with a fingerprint of their own.
    """
    row = find_task(plan.task)
    elsewhere = [
        (str(path), listing_sha256(path))
        for path in data_paths(plan.config)
        if read_elsewhere([path], row.data, root)
    ]
    weights = {
        name: tensor.cpu()
        for name, tensor in model.backbone.state_dict().items()
    }
    settings = {
        name: without_roots(plan.config[name].dataset.to_dict())
        for name in ('train_dataloader', 'test_dataloader')
    }
    settings['out_type'] = plan.config.backbone.get('out_type')
    # equal weights of another convention give other features
    settings['style'] = plan.config.backbone.get('style')
    settings['pixels'] = plan.config.data_preprocessor.to_dict()
    settings['pool'] = plan.config.probe.get('pool', 'global_average')
    text = json.dumps(
        [
            tensors_sha256(weights),
            fingerprint(row.data, root),
            settings,
            *elsewhere,
        ],
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


def keep_features(path: Path, make: Callable[[], Features | None]) -> None:
    """Make features and write them, unless they are there already.

    Raises:
        UserError: Features that are not finite.
    """
    if on_main_process(path.exists):
        return
    features = make()

    def keep() -> None:
        if features is None:
            raise ValueError('the first process has no features to keep.')
        if not torch.isfinite(features.features).all():
            raise UserError(
                f'the features for {path} are not finite; the '
                'weights do not belong to this network, or are '
                'broken.'
            )
        write_safetensors(path, features._asdict(), {})

    on_main_process(keep)


def extract(
    model: Frozen, config: Config, split: str, title: str
) -> Features | None:
    """Run one split through a frozen backbone.

    Returns:
        Features: Of all processes, in the order of the data set; None but in
        the first process.
    """
    loader = Runner.build_dataloader(config[f'{split}_dataloader'])
    pool = POOLS[config.probe.get('pool', 'global_average')]
    line = ProgressLine(title, len(loader))
    classes = len(loader.dataset.metainfo['classes'])
    features: list[Tensor] = []
    labels: list[Tensor] = []
    for index, batch in enumerate(loader):
        found, samples = model(batch, pool)
        rows = (
            in_order(found.float()),
            in_order(
                torch.stack([_label(sample, classes) for sample in samples])
            ),
        )
        if dist.is_main_process():
            features.append(rows[0].cpu())
            labels.append(rows[1].cpu())
        line.update(index + 1)
    if not features:
        return None
    size = len(loader.dataset)  # samplers fill up the last round
    return Features(torch.cat(features)[:size], torch.cat(labels)[:size])


def in_order(rows: Tensor) -> Tensor:
    """Rows of all processes, (world * B, ...), in the order of the data set.

    The sampler deals the images to the processes in turn.

    Args:
        rows (Tensor): Of this process's batch, (B, ...).
    """
    world = dist.get_world_size()
    if world == 1:
        return rows
    joined = gather(rows).unflatten(0, (world, len(rows)))
    return joined.transpose(0, 1).flatten(0, 1)


def _label(sample, classes: int) -> Tensor:
    """Class index; of a multi-label sample 1, 0, or -1 (only difficult)."""
    if 'gt_label_difficult' not in sample:
        return sample.gt_label[0].cpu()
    label = torch.zeros(classes, dtype=torch.int64)
    label[list(sample.gt_label_difficult)] = -1
    label[sample.gt_label.cpu()] = 1
    return label


PROBES: dict[str, Callable[..., dict[str, float]]] = dict(
    knn=knn, svm=svm, logistic=logistic, linear=linear
)
# the metric of each; a variety adds words after an underscore
METRIC_OF = dict(knn={'top1'}, svm={'mAP'}, logistic={'top1'}, linear={'top1'})
