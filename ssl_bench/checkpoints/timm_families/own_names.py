"""Files in timm's own names, and timm's filters for those in other names."""

import functools
import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.timm_default import default_net
from ssl_bench.checkpoints.timm_families.base import Facts, Mapped, State
from ssl_bench.checkpoints.timm_families.parts import check_not_resized
from ssl_bench.checkpoints.timm_nets import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TimmNet,
    from_header,
    to_header,
)
from ssl_bench.errors import UserError, one_line, printable


def count(names: Iterable[str], pattern: str) -> int:
    """One more than the largest number that a pattern's group meets.

    Args:
        names (Iterable[str]): Of tensors.
        pattern (str): For ``re.match``, with one group of digits.
    """
    found = (re.match(pattern, name) for name in names)
    return 1 + max((int(match[1]) for match in found if match), default=-1)


def by_filter(module: str, net: TimmNet, state: State, facts: Facts) -> State:
    """What timm's own filter of a file makes of the tensors.

    Args:
        module (str): Of ``timm.models``.
        net (TimmNet): What the filter looks at, built without values.
        state (dict[str, Tensor]): In the names of the authors' program.
        facts (Facts): For messages.

    Raises:
        UserError: The filter meets a tensor that the network lacks.
    """
    found: Any = importlib.import_module(f'timm.models.{module}')
    built = net.build('meta')
    check_not_resized(state, built, facts)
    try:
        mapped: State = found.checkpoint_filter_fn(dict(state), built)
    except (
        LookupError,
        AttributeError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise UserError(
            f'{facts.path}: {net.name} has no place for '
            f'{one_line(printable(error))}'
        ) from error
    return mapped


def timm_name(facts: Facts) -> str:
    """timm's name without a tag, where the user or the file says it, or ''.

    timm's own folders say it in ``config.json``, its training script in the
    container.
    """
    for source in (facts.config.get('architecture'), facts.arch):
        if isinstance(source, str) and source:
            return source.partition('.')[0]
    name = facts.container.get('arch')
    return name.partition('.')[0] if isinstance(name, str) else ''


def own_net(
    modules: Iterable[str],
    state: Mapping[str, Tensor],
    facts: Facts,
    likely: Callable[[str], bool] = lambda name: True,
    others: bool = True,
) -> TimmNet:
    """The one of timm's names that has exactly these tensors.

    Args:
        modules (Iterable[str]): Of ``timm.models``, where it may be.
        state (Mapping[str, Tensor]): In timm's names.
        facts (Facts): May say the name.
        likely (Callable): Whether a name is looked at before the others.
        others (bool): Look at these where none of the likely ones fits.

    Raises:
        UserError: No name has them, or several, which then compute
            different things from the same tensors.
    """
    import timm

    known = [
        name
        for module in modules
        for name in timm.list_models(module=module, exclude_filters='test_*')
    ]
    said = timm_name(facts)
    if said in known:
        return described(said, facts)
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in state.items()
        if not name.endswith('num_batches_tracked')
    }
    first = [name for name in known if likely(name)]
    found = [name for name in first if _shapes_of(name) == shapes]
    if not found and others:
        found = [name for name in known if _shapes_of(name) == shapes]
    if len(found) == 1:
        return described(found[0], facts)
    if found:
        raise UserError(
            f'{facts.path} has the tensors of {" and of ".join(found[:6])}, '
            'which compute different things from them: say which it is '
            f'with --arch {found[0]}'
        )
    raise UserError(
        f"{facts.path} has the names of one of timm's "
        f'{"/".join(modules)} networks, and the {len(shapes)} tensors of '
        'none of them: say which it is with --arch NAME'
    )


# Names that the other readers know as plain ResNets and ViTs.
_PLAIN = re.compile(
    r'(wide_)?resnet(18|34|50|101|152)(_2)?|resnext50_32x4d'
    r'|(vit|deit)_(tiny|small|base|large|huge)_patch\d+(_\d+)?'
)
_HEADS = re.compile(r'(head|head_dist|fc|classifier)\.')


def by_timm_name(
    state: State, facts: Facts
) -> tuple[Mapped, dict[str, Tensor]] | None:
    """A file in timm's names of which it is known what timm calls it.

    Args:
        state (dict[str, Tensor]): All that the file holds.
        facts (Facts): Says the name, and statistics of the images.

    Returns:
        tuple: The network with its tensors, and the classifier's; None
        where no name is said, where it is a plain ResNet's or ViT's, or
        where the tensors have other names.
    """
    name = timm_name(facts)
    if not name or _PLAIN.fullmatch(name):
        return None
    import timm  # takes a second

    if not timm.is_model(name):
        return None
    said = facts.config.get('model_args')
    options = said if isinstance(said, dict) else {}
    for kwargs in (options, default_net(name).kwargs | options):
        net = TimmNet(name, kwargs)
        module: Any = from_header(to_header(net)).build('meta')
        own = module.state_dict()
        rest = {n: t for n, t in state.items() if n not in own}
        if own.keys() <= state.keys() and all(map(_HEADS.match, rest)):
            break
    else:
        return None
    reductions = {info['reduction'] for info in module.feature_info}
    mean, std = statistics(name, facts)
    pool = 'pooled_map'
    if len(reductions) < 2:
        token = getattr(module, 'global_pool', 'token') in ('token', '')
        pool = 'class_token' if token or 'dinov3' in name else 'patch_mean'
    rule = 'timm' if 'pos_embed' in own else 'none'
    if 'dinov2' in name and 'reg4' not in name:
        rule = 'dino'
    norms = ('norm.weight', 'head.norm.weight')
    net = replace(
        net,
        positions=rule,
        final_norm=len(reductions) > 1 or any(n in own for n in norms),
        pool=pool,
        mean=mean,
        std=std,
    )
    return Mapped(net, {n: state[n] for n in own}), rest


@functools.cache
def _shapes_of(name: str) -> dict[str, tuple[int, ...]] | None:
    try:
        return TimmNet(name).shapes()
    except UserError:  # wants a package that is not installed
        return None


def described(
    name: str, facts: Facts, kwargs: dict[str, Any] | None = None
) -> TimmNet:
    """A hierarchical network by name, with its image statistics."""
    mean, std = statistics(name, facts)
    return TimmNet(
        name, kwargs or {}, 'none', pool='pooled_map', mean=mean, std=std
    )


Triple = tuple[float, float, float]


def statistics(name: str, facts: Facts) -> tuple[Triple, Triple]:
    """Mean and deviation of the images, by the folder or by timm."""
    import timm

    said = facts.config.get('pretrained_cfg')
    if isinstance(said, Mapping):
        mean, std = said.get('mean'), said.get('std')
    elif 'image_mean' in facts.config:  # of a folder of transformers
        mean, std = (facts.config.get(f'image_{k}') for k in ('mean', 'std'))
    else:
        config = timm.get_pretrained_cfg(name)
        mean, std = (config.mean, config.std) if config else (None, None)
    return _triple(mean, IMAGENET_MEAN), _triple(std, IMAGENET_STD)


def _triple(value: Any, otherwise: Triple) -> Triple:
    if (
        isinstance(value, (list, tuple))
        and len(value) == 3
        and all(isinstance(number, (int, float)) for number in value)
    ):
        return (float(value[0]), float(value[1]), float(value[2]))
    return otherwise
