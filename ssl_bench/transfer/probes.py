"""Probes of frozen features: one extraction pass, cached, then seconds."""

import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import set_random_seed

from ssl_bench.errors import UserError
from ssl_bench.tasks.table import find_task
from ssl_bench.toolbox.check_data import (
    check_files,
    check_same,
    check_sizes,
    notes_of,
)
from ssl_bench.toolbox.in_context_views import set_draws
from ssl_bench.transfer.extraction import cache_keys, extract, splits_of
from ssl_bench.transfer.features import INDEX, Features, load_features
from ssl_bench.transfer.frozen import SCOPE, Frozen, build_frozen
from ssl_bench.transfer.own.classification import fit_neighbours
from ssl_bench.transfer.plan import Plan
from ssl_bench.transfer.probe_scores import PAIRED, PROBES, check_memory
from ssl_bench.transfer.probe_scores.patch_data import check_amount
from ssl_bench.transfer.probe_settings import OF_FEATURES, check_settings
from ssl_bench.transfer.record import Measured
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.timm_architecture import image_side
from ssl_bench.transfer.together import each, on_main_process


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
    splits, sets = features_of(
        plan, source, seed, folder.parent / 'features', root
    )
    found = score(plan.config.probe, splits, seed, sets[-1])
    return measured(found, len(splits[0].labels))


def measured(found: dict[str, float], images: int) -> Measured:
    """What a probe found, as a record has it.

    Args:
        found (dict): Of `score`.
        images (int): It was trained on.
    """
    return Measured(
        {name: value for name, value in found.items() if '/' not in name},
        images,
        details={name: value for name, value in found.items() if '/' in name},
    )


def features_of(
    plan: Plan, source: Source, seed: int, home: Path, root: str
) -> tuple[list[Features], list[Any]]:
    """The features of a probe's splits, extracted or read from the cache.

    Args:
        plan, source, seed, root: As `run_probe`.
        home (Path): Folder of the cache.

    Returns:
        tuple: Features of each split, and the data set of each.
    """
    config = plan.config
    check_settings(config.probe)
    if config.get('train_dataloader'):
        config.train_dataloader = set_draws(config.train_dataloader, seed=seed)
    set_random_seed(seed)
    with DefaultScope.overwrite_default_scope(data_scope(config)):
        model = build_frozen(config, source)
        folders = {
            split: home / f'{key}_{split}'
            for split, key in cache_keys(plan, model, root).items()
        }
        sets = data_sets(config)
        plan.changes += check_probe(config, sets)
        if find_task(plan.task).own is not None:
            plan.changes += fit_neighbours(config.probe, len(sets[0]))
        check_enough(config, model, len(sets[0]))
        if model.mixed:
            plan.changes.append('features of a backbone in bfloat16')
        for split, path in folders.items():
            if not on_main_process((path / INDEX).exists):
                title = f'{plan.task}, {source.method}, {split}'
                extract(model, config, split, title, path)
    del model  # its memory is free for the probe
    splits = [each(partial(load_features, path)) for path in folders.values()]
    return splits, sets


def data_scope(config: Config) -> str:
    """Whose registries a config's data sets and their steps are of."""
    return config.get('default_scope') or SCOPE


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
    probe = PROBES[settings['type']].score
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
