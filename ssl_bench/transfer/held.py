"""A built model with a part of it held: no gradients, no new statistics."""

from collections.abc import Hashable
from functools import lru_cache
from typing import Any, cast

from torch import nn

from ssl_bench.errors import UserError
from ssl_bench.transfer.blocks import (
    BEFORE,
    BEHIND,
    Place,
    block_count,
    parts_of,
    places_of,
    projections,
)
from ssl_bench.transfer.lora import add_terms
from ssl_bench.transfer.trained import (
    FROZEN,
    LAST,
    Kind,
    check_last,
    no_attention,
)


def hold(model: nn.Module, kind: Kind) -> None:
    """Let only what a kind names of a backbone be trained.

    For a model that no wrapper and no optimizer has seen. What the task
    itself holds stays held. Weights may be loaded before or after; see
    `ssl_bench.transfer.lora.own_names`.

    Args:
        model (nn.Module): Detector, segmenter or classifier; changed in
            place. What is held is in evaluation mode from then on, whatever
            ``train`` is called with, so that no buffer of it changes. Next to
            low-rank terms these are the norms with statistics alone: the
            network trains, with its stochastic depth.
        kind (Kind): What to train.

    Raises:
        UserError: It is not defined for this network, or nothing of the
            model would be trained.
    """
    if kind.full:
        return
    parts = parts_of(model)
    if not parts:
        raise UserError(
            f'--train {kind}: {type(model).__name__} has no backbone.'
        )
    if kind.name == FROZEN:
        for part in parts.values():
            part.requires_grad_(False)
    elif kind.name == LAST:
        _hold_first(model, kind)
    else:
        _add_terms(parts, kind)
    for part in parts.values():
        _stay(part, _still(part, kind))
    if not any(value.requires_grad for value in model.parameters()):
        raise UserError(
            f'--train {kind}: nothing of {type(model).__name__} would be '
            'trained. Write full.'
        )


def _hold_first(model: nn.Module, kind: Kind) -> None:
    """Hold all before the last blocks."""
    places, values = places_of(model), dict(model.named_parameters())
    # a network may have blocks whose output the task does not take
    used = {n: p for n, p in places.items() if values[n].requires_grad}
    backbone = parts_of(model)['backbone']
    name = type(getattr(backbone, 'net', backbone)).__name__
    check_last(kind, name, block_count(used))
    blocks: list[Place] = sorted({*used.values()} - {BEFORE, BEHIND})
    for name, place in places.items():
        if place < blocks[-kind.number]:
            values[name].requires_grad_(False)


def _add_terms(parts: dict[str, nn.Module], kind: Kind) -> None:
    backbone = parts['backbone']
    if not projections(backbone):
        name = type(getattr(backbone, 'net', backbone)).__name__
        raise no_attention(kind, name)
    add_terms(backbone, kind.number)


def _still(part: nn.Module, kind: Kind) -> list[str]:
    """Names of the modules that stay in evaluation mode."""
    if kind.name not in (FROZEN, LAST):
        return [
            name
            for name, module in part.named_modules()
            if 'running_mean' in module._buffers
        ]
    found: list[str] = []
    for name, module in part.named_modules():
        if any(not top or name.startswith(f'{top}.') for top in found):
            continue
        values = list(module.parameters())
        if values and not any(value.requires_grad for value in values):
            found.append(name)
    return found


def _stay(part: nn.Module, names: list[str]) -> None:
    """Keep modules in evaluation mode, also those that take their place."""
    part.__class__ = _staying(cast(Hashable, type(part)))
    part.still = names  # type: ignore[assignment]
    part.train(part.training)


@lru_cache(maxsize=64)
def _staying(kind: Any) -> Any:
    """A class with modules that stay in evaluation mode."""

    def train(self: Any, mode: bool = True) -> nn.Module:
        whole = '' in self.still
        kind.train(self, mode and not whole)
        for name in [] if whole else self.still:
            self.get_submodule(name).eval()
        return self

    doc = f'{kind.__name__} of which some modules stay in evaluation mode.'
    return type(
        kind.__name__,
        (kind,),
        {'train': train, '__doc__': doc, '__module__': kind.__module__},
    )


def keep_trained(optimizer: Any) -> None:
    """Take what has no gradient out of an optimizer's groups.

    Args:
        optimizer (torch.optim.Optimizer): Not stepped yet.
    """
    for group in optimizer.param_groups:
        group['params'] = [p for p in group['params'] if p.requires_grad]
    optimizer.param_groups[:] = [
        group for group in optimizer.param_groups if group['params']
    ]


def count(model: nn.Module) -> dict[str, int]:
    """Numbers in a model's parameters, and in those that are trained."""
    values = list(model.parameters())
    return dict(
        trained_parameters=sum(p.numel() for p in values if p.requires_grad),
        parameters=sum(p.numel() for p in values),
    )
