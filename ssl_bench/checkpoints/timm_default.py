"""One of timm's networks by its name alone."""

import difflib
import re

from torch import Tensor, nn

from ssl_bench.checkpoints.timm_nets import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    TimmNet,
)
from ssl_bench.errors import UserError


def is_timm_name(name: str) -> bool:
    """Whether timm builds a network of this name."""
    import timm

    return bool(re.fullmatch(r'[a-z]\w*', name)) and timm.is_model(name)


def near_timm_names(name: str) -> list[str]:
    """The names of timm that look like it."""
    import timm

    return difflib.get_close_matches(name, timm.list_models(), n=3)


def default_net(model: str) -> TimmNet:
    """The network that a name alone stands for.

    The norm after the last block stays in front of the pooling, where dense
    features need it; mean and deviation are those of timm's configuration.

    Args:
        model (str): A name of timm, without a tag.

    Raises:
        UserError: timm has no such name.
    """
    if not is_timm_name(model):
        near = near_timm_names(model)
        hint = f'; near: {", ".join(near)}' if near else ''
        raise UserError(f'timm has no network {model!r}{hint}.')
    net = TimmNet(model).build('meta')
    kwargs = {}
    if _norm_behind_pooling(net):
        kwargs['global_pool'] = (
            'token' if getattr(net, 'cls_token', None) is not None else ''
        )
    info = getattr(net, 'pretrained_cfg', None) or {}
    plain = hasattr(net, 'blocks') and hasattr(net, 'patch_embed')
    pool = 'pooled_map'
    if plain:
        pool = (
            'class_token'
            if getattr(net, 'cls_token', None) is not None
            else 'patch_mean'
        )
    return TimmNet(
        model,
        kwargs,
        positions=(
            'timm'
            if isinstance(getattr(net, 'pos_embed', None), Tensor)
            else 'none'
        ),
        pool=pool,
        mean=tuple(info.get('mean') or IMAGENET_MEAN),
        std=tuple(info.get('std') or IMAGENET_STD),
    )


def _norm_behind_pooling(net: nn.Module) -> bool:
    """Whether the only final norm is that of the pooled feature."""
    return (
        isinstance(getattr(net, 'norm', None), nn.Identity)
        and isinstance(getattr(net, 'fc_norm', None), nn.Module)
        and not isinstance(net.fc_norm, nn.Identity)
    )
