"""What a probe's config may say."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.frozen_dense.miou import VARIANTS
from ssl_bench.toolbox.frozen_maps import MapRule
from ssl_bench.transfer.features import PRECISIONS
from ssl_bench.transfer.frozen import MAPS, POOLS
from ssl_bench.transfer.probe_scores import GIVEN, PROBES
from ssl_bench.transfer.probe_scores.logistic_blocks import SOLVERS
from ssl_bench.transfer.probe_scores.patch_data import LABELS, check_choice

COMPUTE = ('float32', 'bfloat16')
# settings that say what the features are, not how to score them
OF_FEATURES = ('type', 'pool', 'vit_pool', 'precision', 'compute', 'maps')


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
    probe = PROBES[kind]
    taken = [
        item
        for name, item in inspect.signature(probe.score).parameters.items()
        if name not in GIVEN
    ]
    names = (*OF_FEATURES, *(item.name for item in taken))
    for name in settings:
        if name not in names:
            raise unknown_name('key of probe', name, names)
    for item in taken:
        needed = item.default is item.empty and item.name != 'seed'
        if needed and item.name not in settings:
            raise UserError(f'probe must say {item.name}.')
    if probe.patches != (settings.get('maps') is not None):
        raise UserError(
            f'probe.type={kind} takes patches: probe must say maps.'
            if probe.patches
            else f'probe.type={kind} takes no patches: leave maps out.'
        )
    if probe.patches:
        MapRule.read(settings['maps'], MAPS)
    check_values(settings)
    if 'validation' in settings:
        check_choice(settings)
    known = settings.get('solver_precision', 'float64')
    if known not in SOLVERS:
        raise unknown_name('probe.solver_precision', str(known), SOLVERS)


def check_values(settings: Mapping[str, Any]) -> None:
    """Refuse values before an extraction.

    Args:
        settings (Mapping): ``probe`` of a config.

    Raises:
        UserError: A number that is none, or outside its range; an unknown
            variant of mIoU.
    """
    for name, (fits, words) in RULES.items():
        if name in settings and not fits(settings[name]):
            raise UserError(
                f'probe.{name} must be {words}, not {settings[name]!r}.'
            )
    variant = settings.get('variant', VARIANTS[0])
    if variant not in VARIANTS:
        raise unknown_name('probe.variant', str(variant), VARIANTS)
    classes, void = settings.get('classes'), settings.get('void_class', 0)
    if classes is not None and void >= classes:
        raise UserError(
            f'probe.void_class must be below probe.classes={classes}, not '
            f'{void!r}.'
        )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and value > 0


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_label(value: Any) -> bool:
    return type(value) is int and 0 <= value < LABELS


def _all(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: (
        isinstance(value, (list, tuple)) and all(map(fits, value))
    )


def _is_bool(value: Any) -> bool:
    return type(value) is bool


NUMBERS = 'a list of numbers above 0, such as [1,10]'
NUMBER = 'a number above 0'
COUNT = 'a whole number, 1 or more'
COUNTS = (
    'k',
    'classes',
    'max_iter',
    'iterations',
    'memory',
    'line_search',
    'epochs',
    'batch_size',
    'folds',
    'tries',
)
SWITCHES = ('standardise', 'warm_start')
# what a setting must be: a test, and its words
RULES: dict[str, tuple[Callable[[Any], bool], str]] = dict(
    neighbours=(
        _all(_is_count),
        'a list of whole numbers, 1 or more, such as [1,10]',
    ),
    costs=(_all(_is_number), NUMBERS),
    rates=(_all(_is_number), NUMBERS),
    temperature=(_is_number, NUMBER),
    share=(_is_number, NUMBER),
    strength=(_is_number, NUMBER),
    tol=(_is_number, NUMBER),
    **dict.fromkeys(COUNTS, (_is_count, COUNT)),
    **dict.fromkeys(SWITCHES, (_is_bool, 'True or False')),
    split_seed=(
        lambda value: type(value) is int and value >= 0,
        'a whole number, 0 or more',
    ),
    memory_size=(
        lambda value: value is None or _is_count(value),
        f'{COUNT}, or None',
    ),
    void_class=(_is_label, 'a class, from 0'),
    ignore=(_all(_is_label), 'a list of labels, such as [0,255]'),
)
