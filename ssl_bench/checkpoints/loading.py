"""A backbone into a module: every tensor, or an error that names them."""
import logging
from typing import Dict, Sequence

import torch
from torch import Tensor, nn

from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.checkpoints.names import from_ours, scheme_of
from ssl_bench.checkpoints.verify import Report, compare
from ssl_bench.errors import UserError


def load_into(module: nn.Module,
              backbone: Backbone,
              prefix: str = '',
              group: str = 'backbone',
              partial: bool = False,
              without: Sequence[str] = (),
              fresh: Sequence[str] = ()) -> Report:
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
            module rightly lacks: ``layer4.`` for a C4 backbone.
        fresh (Sequence[str]): Beginnings of names in the module that rightly
            start anew: the head, an extra norm.

    Returns:
        Report: How many tensors arrived and, with ``partial``, what did not.

    Raises:
        UserError: Tensors are missing, unexpected or of another shape.
    """
    source = backbone.group(group)
    if prefix:
        source = {name[len(prefix):]: tensor
                  for name, tensor in source.items()
                  if name.startswith(prefix)}
    target = {name: tensor for name, tensor in module.state_dict().items()
              if not name.startswith(tuple(fresh))}
    scheme = scheme_of(target)
    if group == 'backbone' and scheme:
        source = from_ours(source, scheme)
    source = {name: tensor for name, tensor in source.items()
              if not name.startswith(tuple(without))}
    report = compare(source, {name: tuple(tensor.shape)
                              for name, tensor in target.items()})
    if not report.complete and not partial:
        raise UserError(
            f'the {group} of {backbone.meta.get("arch", "the file")} does '
            f'not fit {type(module).__name__}: {report.problems()}. Nothing '
            'was loaded; give the model of that architecture, or name what '
            'may differ')
    _copy(source, target)
    logging.getLogger(__name__).info('%s into %s: %s', group,
                                     type(module).__name__, report.summary())
    return report


@torch.no_grad()
def _copy(source: Dict[str, Tensor], target: Dict[str, Tensor]) -> None:
    """Copy what has the same name and shape, keeping the target's type."""
    for name, tensor in target.items():
        value = source.get(name)
        if value is not None and value.shape == tensor.shape:
            tensor.copy_(value)
