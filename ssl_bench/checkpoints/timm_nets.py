"""A network that timm builds, as a backbone file's header describes it."""

import difflib
import logging
import re
from collections.abc import Mapping
from contextlib import nullcontext
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
# What a header may not hand to timm: each of them reads another file.
_FORBIDDEN = re.compile(
    r'pretrained|checkpoint|cache|cfg|num_classes|scriptable|exportable|jit'
    r'|hf_hub|features_only|device|dtype'
)
_MOST = 100_000  # of a number in a header: no network is wider
_DEEPEST = 1000  # of a number of blocks
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TimmNet:
    """One of timm's networks, without a classifier.

    All fields are JSON values: they are the header's ``arch_args``.

    Args:
        model (str): A name of ``timm.list_models()``, without a tag.
        kwargs (dict): What ``timm.create_model`` takes next to the name.
            Layers are named (``mlp_layer='SwiGLUPacked'``), ``norm_eps``
            sets the epsilon of every layer norm, and ``rope_periods`` are
            the periods of DINOv3's rotary positions, where a file has
            others than timm computes.
        positions (str): The rule by which the authors' program resizes the
            position table: ``timm`` (target size, antialias), ``dino``
            (scale factors with 0.1 added, no antialias), ``transformers``
            (target size, no antialias), ``fixed`` (no other size is
            defined), ``none`` (there is no table).
        final_norm (bool): Whether the file holds the norm after the last
            block. Without it `build` puts an identity there: a fresh norm
            is not the pretrained function.
        pool (str): The authors' feature of an image, one of `POOLS`.
        mean, std (tuple[float]): Of RGB in 0..1, in pretraining.
        map_norm (bool): Whether the authors give a network's last map the
            norm that timm gives the pooled feature alone (DINOv3's
            ConvNeXt).
    """

    model: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    positions: str = 'timm'
    final_norm: bool = True
    pool: str = 'class_token'
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    map_norm: bool = False
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
        parts = ','.join(
            f'{key}={value}'
            for key, value in sorted(self.kwargs.items())
            if key != 'rope_periods'  # a list of numbers
        )
        return f'{self.model}({parts})'

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape; ``num_batches_tracked`` is left out."""
        return {
            name: tuple(tensor.shape)
            for name, tensor in self.build('meta').state_dict().items()
            if not name.endswith('num_batches_tracked')
        }

    def build(self, device: str | None = None, **more: Any) -> nn.Module:
        """The network with timm's initial values, without a classifier.

        Args:
            device (str, optional): ``meta`` makes tensors without values;
                torch's default device when None.
            **more: For ``timm.create_model``, over the header's own.

        Raises:
            UserError: timm does not know the name, or refuses a setting.
        """
        import timm

        if not timm.is_model(self.model):
            near = difflib.get_close_matches(self.model, timm.list_models())
            hint = f', did you mean {" or ".join(near)}' if near else ''
            raise UserError(
                f'timm {timm.__version__} has no network '
                f'{printable(self.model)}{hint}'
            )
        options = _resolve({**self.kwargs, **more})
        periods = options.pop('rope_periods', None)
        logging.getLogger('timm').setLevel(logging.ERROR)
        try:
            with torch.device(device) if device else nullcontext():
                net: nn.Module = timm.create_model(
                    self.model, pretrained=False, num_classes=0, **options
                )
                if periods is not None:
                    _set_periods(net, periods)
        except (
            RuntimeError,
            TypeError,
            ValueError,
            AssertionError,
            ArithmeticError,
            AttributeError,
            LookupError,
        ) as error:
            raise UserError(
                f'timm {timm.__version__} does not build {self.name}: '
                f'{one_line(printable(error))}'
            ) from error
        if not self.final_norm:
            _remove_final_norm(net)
        return net


def _remove_final_norm(net: nn.Module) -> None:
    """An identity in place of the norm after the last block."""
    # ConvNeXt's stands in its head
    for owner in (net, getattr(net, 'head', None)):
        if isinstance(getattr(owner, 'norm', None), nn.Module):
            setattr(owner, 'norm', nn.Identity())  # noqa: B010
            return


def _set_periods(net: nn.Module, periods: list[float]) -> None:
    """Give DINOv3's rotary positions other periods than timm computes."""
    rope: Any = net.rope
    if rope.periods.numel() != len(periods):
        raise ValueError(
            f'{len(periods)} periods of rotary positions, and '
            f'{rope.periods.numel()} are needed'
        )
    # timm computes them again after a change of type
    rope._compute_periods = partial(_given, tuple(periods))
    rope.reset_parameters()


def _given(
    periods: tuple[float, ...],
    device: Any = 'cpu',
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    return torch.tensor(periods, device=device, dtype=dtype)


def _resolve(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Named layers to timm's classes, ``norm_eps`` to a norm layer."""
    import timm.layers

    options = dict(kwargs)
    for key in LAYERS:
        name = options.get(key)
        if isinstance(name, str):
            layer = getattr(timm.layers, name, None) or getattr(nn, name, None)
            if not _is_layer(layer):
                raise UserError(f'timm has no layer {printable(name)}.')
            options[key] = layer
    if 'norm_eps' in options:
        eps = options.pop('norm_eps')
        norm = options.get('norm_layer', timm.layers.LayerNorm)
        options['norm_layer'] = partial(norm, eps=eps)
    return options


def _is_layer(found: Any) -> bool:
    """Whether it is a layer's class, or one with some options given."""
    kind = found.func if isinstance(found, partial) else found
    return isinstance(kind, type) and issubclass(kind, nn.Module)


def from_header(args: Mapping[str, Any]) -> TimmNet:
    """The network that a header's ``arch_args`` describe.

    Raises:
        UserError: A field that no such network has, or of another type.
    """
    fields = {key: value for key, value in args.items() if key != 'family'}
    try:
        fields |= {
            key: tuple(fields[key]) for key in ('mean', 'std') if key in fields
        }
        net = TimmNet(**fields)
    except TypeError as error:
        raise UserError(
            f"a backbone's header describes no network: {printable(error)}"
        ) from error
    if not _is_plain(net):
        raise UserError("a backbone's header describes no network.")
    if net.positions not in POSITIONS or net.pool not in POOLS:
        raise UserError(
            f"a backbone's header describes no network: positions "
            f'{printable(net.positions)}, pool {printable(net.pool)}.'
        )
    return net


def _is_plain(net: TimmNet) -> bool:
    """Whether a header's fields are of the types that they must be."""
    return (
        isinstance(net.model, str)
        and bool(re.fullmatch(r'[a-z]\w*', net.model))
        and isinstance(net.kwargs, dict)
        and all(map(_is_option, net.kwargs, net.kwargs.values()))
        and isinstance(net.final_norm, bool)
        and isinstance(net.map_norm, bool)
        and all(
            len(part) == 3 and all(type(n) in (int, float) for n in part)
            for part in (net.mean, net.std)
        )
    )


def _is_option(name: Any, value: Any) -> bool:
    """Whether timm may get this option from a header."""
    if not isinstance(name, str) or _FORBIDDEN.search(name):
        return False
    most = _DEEPEST if name.startswith('depth') else _MOST
    values = value if isinstance(value, (list, tuple)) else (value,)
    return len(values) <= _DEEPEST and all(
        item is None
        or isinstance(item, (str, bool))
        or (type(item) in (int, float) and abs(item) <= most)
        for item in values
    )


def to_header(net: TimmNet) -> dict[str, Any]:
    """`from_header`'s argument."""
    return {'family': net.family, **asdict(net)}
