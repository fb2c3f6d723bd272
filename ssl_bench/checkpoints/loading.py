"""A backbone into a module: every tensor, or an error that names them."""

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.checkpoints.names import from_ours, scheme_of
from ssl_bench.checkpoints.position import grid_of, resize
from ssl_bench.checkpoints.verify import Report, compare
from ssl_bench.errors import UserError


def load_into(
    module: nn.Module,
    backbone: Backbone,
    prefix: str = '',
    group: str = 'backbone',
    partial: bool = False,
    without: Sequence[str] = (),
    fresh: Sequence[str] = (),
) -> Report:
    """Fill every tensor of a module from a backbone, or raise.

    Args:
        module (nn.Module): Torchvision's, timm's, mmdet's, mmseg's or
            mmpretrain's ResNet or ViT, or a part of one.
        backbone (Backbone): What to load.
        prefix (str): Take only the file's names that begin so, and remove
            it: ``layer4.`` fills a module that is the last stage.
        group (str): ``backbone``, ``neck`` or ``roi_head``.
        partial (bool): Load what fits and report the rest, instead of
            raising. Never the default: a transfer result would lie.
        without (Sequence[str]): Beginnings of names in the file that the
            module rightly lacks, or patterns such as ``*.ls?.gamma``:
            ``layer4.`` for a C4 backbone.
        fresh (Sequence[str]): The same for names in the module that rightly
            start from their initial values: the head, an extra norm.

    Returns:
        Report: How many tensors arrived and, with ``partial``, what did not.

    Raises:
        UserError: Tensors are missing, unexpected or of another shape.
    """
    source = {
        name[len(prefix) :]: tensor
        for name, tensor in backbone.group(group).items()
        if name.startswith(prefix)
    }
    target = {
        name: tensor
        for name, tensor in module.state_dict().items()
        if not _listed(name, fresh)
    }
    # a file of one of timm's networks has its names, and their positions
    # are resized for every input
    arch = backbone.meta.get('arch_args') or {}
    scheme = scheme_of(target) if arch.get('family') != 'timm' else None
    notes = []
    if group == 'backbone' and scheme:
        source = from_ours(source, scheme)
        notes = _fit_positions(source, target)
    source = {
        name: tensor
        for name, tensor in source.items()
        if not _listed(name, without)
    }
    report = compare(
        source, {name: tuple(tensor.shape) for name, tensor in target.items()}
    )
    report.notes += notes
    if not report.complete and not partial:
        raise UserError(
            f'the {group} of {backbone.meta.get("arch", "the file")} does '
            f'not fit {type(module).__name__}: {report.problems()}. Nothing '
            'was loaded; give the model of that architecture, or name what '
            'may differ'
        )
    _copy(source, target)
    log = logging.getLogger(__name__)
    (log.info if report.complete else log.warning)(
        '%s into %s: %s', group, type(module).__name__, report.summary()
    )
    return report


def _listed(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name begins with, or matches, one of the patterns."""
    return any(
        name.startswith(pattern) or fnmatchcase(name, pattern)
        for pattern in patterns
    )


def _fit_positions(
    source: dict[str, Tensor], target: dict[str, Tensor]
) -> list[str]:
    """Bring the position table to the module's grid, and say so.

    A segment-anything style ViT keeps its table as (1, H, W, D), without a
    class token.
    """
    name = next(
        (
            n
            for n in ('pos_embed', 'encoder.pos_embedding')
            if n in source and n in target
        ),
        None,
    )
    if name is None:
        return []
    table, want = source[name], target[name]
    cls_token = bool({'cls_token', 'class_token'} & set(source))
    image = want.ndim == 4
    grid = (
        want.shape[1]
        if image
        else grid_of(want, bool({'cls_token', 'class_token'} & set(target)))
    )
    old = grid_of(table, cls_token)
    table = resize(table, grid, cls_token)
    if image:
        table = table[:, int(cls_token) :].reshape(1, grid, grid, -1)
    source[name] = table
    return (
        []
        if old == grid
        else [
            f'position table resized bicubically from {old}x{old} to '
            f'{grid}x{grid} patches'
        ]
    )


@torch.no_grad()
def _copy(source: dict[str, Tensor], target: dict[str, Tensor]) -> None:
    """Copy what has the same name and shape, keeping the target's type."""
    for name, tensor in target.items():
        value = source.get(name)
        if value is not None and value.shape == tensor.shape:
            tensor.copy_(value)
