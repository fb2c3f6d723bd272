"""Probes of frozen features: one extraction pass, cached, then seconds."""

import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from mmengine import dist
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import set_random_seed
from torch import Tensor

from ssl_bench.checkpoints.backbone import tensors_sha256
from ssl_bench.config import data_paths
from ssl_bench.engine.progress import ProgressLine
from ssl_bench.engine.runner import AtomicRunner
from ssl_bench.engine.stopping import signals_held
from ssl_bench.errors import UserError, unknown_name
from ssl_bench.tasks.fingerprint import fingerprint, listing_sha256
from ssl_bench.tasks.layouts.masks import IGNORED
from ssl_bench.tasks.table import find_task
from ssl_bench.toolbox.check_data import (
    check_files,
    check_same,
    check_sizes,
    notes_of,
    read_elsewhere,
)
from ssl_bench.toolbox.frozen_maps import FrozenMaps, MapRule, choose_maps
from ssl_bench.toolbox.in_context_views import set_draws
from ssl_bench.transfer.feature_writer import write_features
from ssl_bench.transfer.features import (
    INDEX,
    PRECISIONS,
    Dealing,
    Features,
    load_features,
)
from ssl_bench.transfer.plan import Plan
from ssl_bench.transfer.probe_scores import (
    check_memory,
    in_context,
    knn,
    linear,
    logistic,
    logistic_sweep,
    patch_knn,
    patch_logistic,
    pck,
    pck_name,
    recall,
    recall_name,
    svm,
)
from ssl_bench.transfer.probe_scores.logistic_blocks import SOLVERS
from ssl_bench.transfer.probe_scores.patch_data import (
    check_amount,
    check_choice,
)
from ssl_bench.transfer.probe_values import check_values
from ssl_bench.transfer.record import Measured
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.timm_architecture import image_side
from ssl_bench.transfer.together import each, on_main_process
from ssl_bench.transfer.weights import load_whole

SPLITS = ('train', 'test')
PAIRED = 'paired'  # what a probe of pairs is given of its test set
SCOPE = 'mmpretrain'  # whose registries a probe's backbone is of
MAPS = 'probe.maps'  # where a config says which maps are taken


class Frozen(BaseModel):
    """A backbone and the preparation of its input, for extraction.

    mmengine's base class tells the preprocessor which device it is moved to.

    Args:
        backbone (dict): Config of an mmpretrain backbone.
        preprocessor (dict): Mean, std and channel order.
        compute (str): ``bfloat16``: the backbone under autocast, its last
            features pooled in single precision.
        maps (dict, optional): Of a probe of patches: the fields of a
            `MapRule`.

    Attributes:
        cell (int): Of a probe of patches: side of one, pixels.
    """

    def __init__(
        self,
        backbone: dict,
        preprocessor: dict,
        compute: str = 'float32',
        maps: dict | None = None,
    ) -> None:
        from mmpretrain.registry import MODELS

        self.rule = None if maps is None else MapRule.read(maps, MAPS)
        if self.rule is not None:
            backbone, _, self.cell = choose_maps(backbone, self.rule, MAPS)
        # the loaders may be another toolkit's
        with DefaultScope.overwrite_default_scope(SCOPE):
            settings = dict(type='ClsDataPreprocessor', **preprocessor)
            super().__init__(data_preprocessor=MODELS.build(settings))
            self.backbone = MODELS.build(backbone)
        self.taken = backbone
        self.mixed = compute == 'bfloat16'
        self.maps = (
            None if self.rule is None else FrozenMaps(self.backbone, self.rule)
        )

    @torch.no_grad()
    def forward(  # type: ignore[override]
        self, batch: dict, pool: Callable[[Tensor], Tensor] | None
    ) -> tuple[Tensor, list]:
        """A loader's batch to features and its data samples.

        Args:
            batch (dict): Of B images.
            pool (Callable, optional): From the last features to (B, D); None
                of a rule's maps.

        Returns:
            tuple: (B, D), or the joined map of a rule, (B, h, w, D).
        """
        batch = self.data_preprocessor(batch, False)
        images = batch['inputs']
        with (
            torch.autocast(images.device.type, torch.bfloat16)
            if self.mixed
            else nullcontext()
        ):
            if pool is None:
                features = self.patches(images)
            else:
                # (B, C, H, W), or (B, C) of a class token
                features = self.backbone(images)[-1]
        found = features.float() if pool is None else pool(features.float())
        return found, batch['data_samples']

    def patches(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W), normalised, to (B, h, w, D)."""
        if self.maps is None:
            raise ValueError('this model takes no maps.')
        return self.maps.joined(images).permute(0, 2, 3, 1)

    @torch.no_grad()
    def count(self, side: int) -> int:
        """Patches of an image of this side, pixels."""
        device = next(self.backbone.parameters()).device
        image = torch.zeros(1, 3, side, side, device=device)
        return self.patches(image).shape[1:3].numel()


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


# settings of a probe that say what the features are, not how to score them
COMPUTE = ('float32', 'bfloat16')
# settings of a backbone that change no feature of given weights
OF_TRAINING = ('init_cfg', 'frozen_stages', 'norm_eval', 'drop_path_rate')
OF_FEATURES = ('type', 'pool', 'vit_pool', 'precision', 'compute', 'maps')


def run_probe(
    plan: Plan, source: Source, seed: int, folder: Path, root: str
) -> Measured:
    """Extract features, or read them from the cache, and score the probe.

    Args:
        plan (Plan): Its config has ``backbone``, ``probe``,
            ``test_dataloader`` and, of a probe that trains or remembers,
            ``train_dataloader``.
        source (Source): What is probed.
        seed (int): Decides a random initialisation, and a probe's own
            draws where it has any.
        folder (Path): Of the run; the features are kept next to the runs.
        root (str): Data root, for the cache's key.
    """
    config = plan.config
    check_settings(config.probe)
    if config.get('train_dataloader'):
        config.train_dataloader = set_draws(config.train_dataloader, seed=seed)
    set_random_seed(seed)
    with DefaultScope.overwrite_default_scope(data_scope(config)):
        model = build_frozen(config, source)
        home = folder.parent / 'features'
        folders = {
            split: home / f'{key}_{split}'
            for split, key in cache_keys(plan, model, root).items()
        }
        sets = data_sets(config)
        plan.changes += check_probe(config, sets)
        check_enough(config, model, len(sets[0]))
        if model.mixed:
            plan.changes.append('features of a backbone in bfloat16')
        for split, path in folders.items():
            if not on_main_process((path / INDEX).exists):
                title = f'{plan.task}, {source.method}, {split}'
                extract(model, config, split, title, path)
    del model  # its memory is free for the probe
    splits = [each(partial(load_features, path)) for path in folders.values()]
    found = score(config.probe, splits, seed, sets[-1])
    return Measured(
        {name: value for name, value in found.items() if '/' not in name},
        len(splits[0].labels),
        details={name: value for name, value in found.items() if '/' in name},
    )


def data_scope(config: Config) -> str:
    """Whose registries a config's data sets and their steps are of."""
    return config.get('default_scope') or SCOPE


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings that the probe does not have, before an extraction.

    Raises:
        UserError: Unknown probe, pooling, precision, argument, one that is
            missing, a faulty rule of maps, or a value that none can use.
    """
    for place, known, name in (
        ('probe', PROBES, settings['type']),
        ('probe.pool', POOLS, settings.get('pool', 'global_average')),
        ('probe.precision', PRECISIONS, settings.get('precision', 'float32')),
        ('probe.compute', COMPUTE, settings.get('compute', 'float32')),
    ):
        if name not in known:
            raise unknown_name(place, str(name), known)
    kind = settings['type']
    taken = [
        item
        for name, item in inspect.signature(PROBES[kind]).parameters.items()
        if name not in (*SPLITS, PAIRED)
    ]
    names = (*OF_FEATURES, *(item.name for item in taken))
    for name in settings:
        if name not in names:
            raise unknown_name('key of probe', name, names)
    for item in taken:
        needed = item.default is item.empty and item.name != 'seed'
        if needed and item.name not in settings:
            raise UserError(f'probe must say {item.name}.')
    if (kind in OF_PATCHES) != (settings.get('maps') is not None):
        raise UserError(
            f'probe.type={kind} takes patches: probe must say maps.'
            if kind in OF_PATCHES
            else f'probe.type={kind} takes no patches: leave maps out.'
        )
    if kind in OF_PATCHES:
        MapRule.read(settings['maps'], MAPS)
    check_values(settings)
    if 'validation' in settings:
        check_choice(settings)
    known = settings.get('solver_precision', 'float64')
    if known not in SOLVERS:
        raise unknown_name('probe.solver_precision', str(known), SOLVERS)


def score(
    settings: dict[str, Any],
    splits: list[Features],
    seed: int,
    test_set: Any = None,
) -> dict[str, float]:
    """Apply a probe to the features of its splits.

    All processes call it, and get the same numbers.

    Args:
        settings (dict): ``type`` and the probe's own arguments.
        splits (list[Features]): Training, if the probe has one, and test.
        seed (int): Of the run, for a probe that draws.
        test_set (BaseDataset): For a probe of pairs of its images.
    """
    probe = PROBES[settings['type']]
    options = {
        name: value
        for name, value in settings.items()
        if name not in OF_FEATURES
    }
    taken = inspect.signature(probe).parameters
    if 'seed' in taken:
        options.setdefault('seed', seed)
    if PAIRED in taken:
        options[PAIRED] = test_set.paired
    return probe(*splits, **options)


def splits_of(config: Config) -> tuple[str, ...]:
    """The splits that a probe reads."""
    return tuple(
        split for split in SPLITS if config.get(f'{split}_dataloader')
    )


def data_sets(config: Config) -> list[Any]:
    """The data set of each split of a probe.

    Raises:
        UserError: One of them is faulty.
    """
    try:
        return [
            DATASETS.build(config[f'{split}_dataloader'].dataset)
            for split in splits_of(config)
        ]
    except AssertionError as error:  # how the toolkits' readers complain
        raise UserError(f'the data are not as expected: {error}') from error


def check_probe(config: Config, sets: Sequence[Any]) -> list[str]:
    """Compare the classes of training and test images.

    Args:
        config (Config): Of a probe.
        sets (Sequence): `data_sets` of it.

    Returns:
        list[str]: What a record should say of the data.

    Raises:
        UserError: They differ, or an image of a pair is not as large as the
            pair says.
    """
    if len(sets) > 1:
        check_same(*sets)
    if data_scope(config) == 'mmseg':
        return check_files(config.probe.classes, *sets)
    notes = notes_of(*sets)
    if hasattr(sets[-1], PAIRED):
        notes += check_sizes(sets[-1])
    return notes


def check_enough(config: Config, model: Frozen, images: int) -> None:
    """Are there as many training patches as a probe asks for?

    Args:
        config (Config): Of a probe.
        model (Frozen): Its network.
        images (int): In training, over all epochs.

    Raises:
        UserError: As `check_amount` and `check_memory`.
    """
    probe = config.probe
    if 'validation' in probe:
        check_amount(probe, images, model.count(image_side(config)))
    if 'memory_size' in probe:
        count = model.count(image_side(config))
        check_memory(probe.k, probe.memory_size, images, count)


def frozen_model(config: Config) -> Frozen:
    """The network of a probe's config."""
    return Frozen(
        config.backbone,
        dict(config.data_preprocessor),
        config.probe.get('compute', 'float32'),
        config.probe.get('maps'),
    )


def build_frozen(config: Config, source: Source) -> Frozen:
    """The backbone with its weights, in evaluation mode."""
    model = frozen_model(config)
    with DefaultScope.overwrite_default_scope(SCOPE):
        model.backbone.init_weights()
    if source.backbone is not None:
        load_whole(model.backbone, source)
    return model.to(get_device()).eval()


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


def cache_key(plan: Plan, model: Frozen, root: str) -> str:
    """`cache_keys` of the training images."""
    return cache_keys(plan, model, root)['train']


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
        f'{split}_dataloader': without_roots(
            plan.config[f'{split}_dataloader'].dataset.to_dict()
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


PROBES: dict[str, Callable[..., dict[str, float]]] = dict(
    knn=knn,
    svm=svm,
    logistic=logistic,
    logistic_sweep=logistic_sweep,
    linear=linear,
    patch_knn=patch_knn,
    patch_logistic=patch_logistic,
    in_context=in_context,
    pck=pck,
    recall=recall,
)
# the probes that say `maps`
OF_PATCHES: tuple[str, ...] = (
    'patch_knn',
    'patch_logistic',
    'in_context',
    'pck',
    'recall',
)
# the metric of each; a variety adds words after an underscore
METRIC_OF = dict(
    knn={'top1'},
    svm={'mAP'},
    logistic={'top1'},
    logistic_sweep={'top1'},
    linear={'top1'},
    patch_knn={'mIoU', 'aAcc'},
    patch_logistic={'mIoU', 'aAcc'},
    in_context={'mIoU'},
)


def metrics_of(settings: Mapping[str, Any]) -> set[str] | None:
    """The metrics of a probe's settings; None of an unknown probe."""
    kind, share = settings.get('type'), settings.get('share')
    if kind in ('pck', 'recall') and isinstance(share, (int, float)):
        return {(recall_name if kind == 'recall' else pck_name)(share)}
    return METRIC_OF.get(str(kind))
