"""A network that timm builds, as a backbone file's header describes it."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn

from ssl_bench.errors import UserError, one_line, printable

# layers that a header names and that timm takes as classes
LAYERS = ('mlp_layer', 'act_layer', 'norm_layer')
# how an official program resizes its position table (`positions`)
POSITIONS = ('timm', 'dino', 'transformers', 'fixed', 'none')
# what an author takes as the feature of an image
POOLS = ('class_token', 'patch_mean', 'pooled_map')
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TimmNet:
    """One of timm's networks, without a classifier.

    All fields are JSON values: they are the header's ``arch_args``.

    Args:
        model (str): A name of ``timm.list_models()``, without a tag.
        kwargs (dict): What ``timm.create_model`` takes next to the name.
            Layers are named (``mlp_layer='SwiGLUPacked'``), and
            ``norm_eps`` sets the epsilon of every layer norm.
        positions (str): The rule by which the authors' program resizes the
            position table: ``timm`` (target size, antialias), ``dino``
            (scale factors with 0.1 added, no antialias), ``transformers``
            (target size, no antialias), ``fixed`` (no other size is
            defined), ``none`` (there is no table).
        final_norm (bool): Whether the file holds the norm after the last
            block; a map is normalised only by a pretrained one.
        pool (str): The authors' feature of an image, one of `POOLS`.
        mean, std (tuple[float]): Of RGB in 0..1, in pretraining.
    """

    model: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    positions: str = 'timm'
    final_norm: bool = True
    pool: str = 'class_token'
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    family = 'timm'

    @property
    def key(self) -> str:
        """timm's name: what ``--arch`` is compared with."""
        return self.model

    @property
    def name(self) -> str:
        """timm's name, and what was built otherwise, in brackets."""
        if not self.kwargs:
            return self.model
        parts = ','.join(f'{k}={v}' for k, v in sorted(self.kwargs.items()))
        return f'{self.model}({parts})'

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape; ``num_batches_tracked`` is left out."""
        return {
            name: tuple(tensor.shape)
            for name, tensor in self.build('meta').state_dict().items()
            if not name.endswith('num_batches_tracked')
        }

    def build(self, device: str = 'cpu', **more: Any) -> nn.Module:
        """The network with timm's initial values, without a classifier.

        Args:
            device (str): ``meta`` makes tensors without values.
            **more: For ``timm.create_model``, over the header's own.

        Raises:
            UserError: timm does not know the name, or refuses a setting.
        """
        import timm

        options = _resolve({**self.kwargs, **more})
        logging.getLogger('timm').setLevel(logging.ERROR)
        try:
            with torch.device(device):
                net: nn.Module = timm.create_model(
                    self.model, pretrained=False, num_classes=0, **options
                )
        except (RuntimeError, TypeError, ValueError, AssertionError) as error:
            raise UserError(
                f'timm {timm.__version__} does not build {self.name}: '
                f'{one_line(printable(error))}'
            ) from error
        return net


def _resolve(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Named layers to timm's classes, ``norm_eps`` to a norm layer."""
    import timm.layers

    options = dict(kwargs)
    for key in LAYERS:
        name = options.get(key)
        if isinstance(name, str):
            layer = getattr(timm.layers, name, None) or getattr(nn, name, None)
            if not isinstance(layer, type):
                raise UserError(f'timm has no layer {printable(name)}.')
            options[key] = layer
    if 'norm_eps' in options:
        eps = options.pop('norm_eps')
        norm = options.get('norm_layer', timm.layers.LayerNorm)
        options['norm_layer'] = partial(norm, eps=eps)
    return options


def from_header(args: Mapping[str, Any]) -> TimmNet:
    """The network that a header's ``arch_args`` describe.

    Raises:
        UserError: A field that no such network has, or of another type.
    """
    fields = {key: value for key, value in args.items() if key != 'family'}
    fields |= {
        key: tuple(fields[key]) for key in ('mean', 'std') if key in fields
    }
    try:
        net = TimmNet(**fields)
    except TypeError as error:
        raise UserError(
            f"a backbone's header describes no network: {printable(error)}"
        ) from error
    if not isinstance(net.model, str) or not isinstance(net.kwargs, dict):
        raise UserError("a backbone's header describes no network.")
    if net.positions not in POSITIONS or net.pool not in POOLS:
        raise UserError(
            f"a backbone's header describes no network: positions "
            f'{printable(net.positions)}, pool {printable(net.pool)}.'
        )
    return net


def to_header(net: TimmNet) -> dict[str, Any]:
    """`from_header`'s argument."""
    return {'family': net.family, **asdict(net)}
