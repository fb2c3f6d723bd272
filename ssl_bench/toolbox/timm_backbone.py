"""Any of timm's networks as a backbone of a detector, segmenter or probe."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmengine.registry import MODELS
from torch import Tensor, nn

from ssl_bench.checkpoints.position import resize
from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.errors import UserError
from ssl_bench.toolbox.timm_layout import layout_of
from ssl_bench.toolbox.timm_windows import attend_in_windows

MAPS = 'maps'
# what the backbone returns
OUTPUTS = (MAPS, 'class_token', 'patch_mean', 'pooled_map')
# after a name that no network has, all else belongs to the head
HEAD = '~'


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """One of timm's networks, whose features are the authors'.

    Maps come from timm's ``forward_intermediates``: tokens of no patch are
    left out, every map is (B, C, H, W). The position table keeps the size of
    pretraining and is resized for every input by the rule of the authors'
    program, with its gradient. ``net`` is timm's module.

    Args:
        net (dict): The network, as a header's ``arch_args`` describe it
            (`ssl_bench.checkpoints.timm_nets.to_header`).
        out_indices (Sequence[int], optional): Which maps: 0-based blocks of
            a network of one stride, else 0-based stages (the stem is none);
            the last one when None.
        output (str): ``maps``, or one feature of an image: ``class_token``,
            ``patch_mean`` (of the last map) or ``pooled_map`` (timm's own
            pooling, of a network with stages; ``patch_mean`` of another).
        norm (bool): Give each map, of a network with stages the last one,
            and each feature the final norm, if the file has one. A norm that
            nobody trained is never applied.
        fresh_norm (bool): A new layer norm after a feature, to be trained.
        pad (bool): Pad images at the bottom and on the right with zeros (the
            mean, after normalisation) to multiples of ``divisor``; refuse
            them when False.
        drop_path_rate (float): Stochastic depth of the last block.
        with_cp (bool): Compute each block again in the backward pass, which
            needs less memory.
        frozen (bool): No gradient, and evaluation mode always, so that no
            buffer changes.
        positions (str, optional): Another rule for the position table than
            the network's own (`ssl_bench.checkpoints.position.resize`).
        norm_eval (bool): Batch norms keep their statistics; what they
            multiply and add is trained.
        window_size (int): Side of windows, patches, that blocks attend in
            (`ssl_bench.toolbox.timm_windows`); 0: all attend to all.
        global_blocks (Sequence[int]): 0-based blocks without windows.
        init_cfg (dict, optional): Unused; timm initialises its network.

    Attributes:
        arch (TimmNet): The network.
        channels, strides (tuple[int]): Of each map that is returned; of a
            feature its width, and the stride of the last map.
        divisor (int): Pixels; see ``pad``.

    Raises:
        UserError: timm does not build the network, or it has no such maps
            or feature.
    """

    net: Any
    _layers: tuple[tuple[str, ...], dict[str, int]] | None = None

    def __init__(
        self,
        net: Mapping[str, Any],
        out_indices: Sequence[int] | None = None,
        output: str = MAPS,
        norm: bool = True,
        fresh_norm: bool = False,
        pad: bool = True,
        drop_path_rate: float = 0.0,
        with_cp: bool = False,
        frozen: bool = False,
        positions: str | None = None,
        norm_eval: bool = False,
        window_size: int = 0,
        global_blocks: Sequence[int] = (),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.arch = arch = from_header(plain(net))
        self.layout = layout = layout_of(arch)
        if out_indices is None or output != MAPS:
            out_indices = [layout.depth - 1]
        for index in out_indices:
            if not 0 <= index < layout.depth:
                raise UserError(
                    f'{arch.model} has {layout.depth} maps, 0 to '
                    f'{layout.depth - 1}; there is no map {index}.'
                )
        more = dict(layout.options)
        if drop_path_rate:
            more['drop_path_rate'] = drop_path_rate
        built: Any = arch.build(**more)
        self.net = built
        self.out_indices = tuple(out_indices)
        self.output = _known_output(output, layout, arch)
        self.channels = tuple(layout.channels[i] for i in self.out_indices)
        self.strides = tuple(layout.strides[i] for i in self.out_indices)
        if output != MAPS:
            self.channels = (layout.features,)
        self.divisor, self.pad = layout.divisor, pad
        self.final_norm = arch.final_norm
        self.normed = norm and arch.final_norm and layout.normed
        # of the authors' last map; timm norms its mean alone
        self.map_norm = self.normed and arch.map_norm and output == MAPS
        self.positions = positions or arch.positions
        self.head_norm = (
            nn.LayerNorm(layout.features, eps=1e-6) if fresh_norm else None
        )
        self.frozen, self.norm_eval = frozen, norm_eval
        if window_size:
            attend_in_windows(self.net, window_size, global_blocks)
        self._take_any_size()
        if with_cp and not frozen:
            self.net.set_grad_checkpointing(True)
        self._hold_unused()
        if frozen:
            self.requires_grad_(False)
            self.train(False)

    def init_weights(self) -> None:
        """timm has given the network its initial values."""
        self._is_init = True

    def train(self, mode: bool = True) -> 'TimmBackbone':
        """A frozen network stays in evaluation mode."""
        super().train(mode and not self.frozen)
        for module in self.net.modules() if self.norm_eval else ():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Images (B, 3, H, W), normalised.

        Returns:
            tuple[Tensor]: Maps (B, C, h, w), h the padded H over the stride,
            rounded up; or one feature (B, C).

        Raises:
            UserError: The size is not a multiple of ``divisor`` and ``pad`` is
                off, or the position table has no such size.
        """
        x = self._padded(x)
        with self._positions_of(x):
            if self.output == MAPS:
                return tuple(self._maps(x))
            feature = self._feature(x)
        return (self.head_norm(feature) if self.head_norm else feature,)

    def maps_and_tokens(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Each map (B, C, h, w) with its layer's class token (B, C).

        The token is normed as the map is.
        """
        x = self._padded(x)
        with self._positions_of(x):
            pairs = self._maps(x, return_prefix_tokens=True)
        return [(layer, prefix[:, 0]) for layer, prefix in pairs]

    @property
    def has_class_token(self) -> bool:
        """Whether every block's output has a class token."""
        return self.layout.block_tokens

    def _maps(self, x: Tensor, norm: bool | None = None, **more: Any) -> list:
        """timm's maps, normed as the backbone's are; with prefix tokens if
        asked for."""
        indices = [self.layout.indices[i] for i in self.out_indices]
        taken = sorted(set(indices))  # timm's order, each once
        found: list = self.net.forward_intermediates(
            x,
            indices=taken,
            norm=self.normed if norm is None else norm,
            output_fmt='NCHW',
            intermediates_only=True,
            **more,
        )
        if self.map_norm and taken[-1] == self.layout.indices[-1]:
            found[-1] = self.net.head.norm(found[-1])
        return [found[taken.index(index)] for index in indices]

    def _feature(self, x: Tensor) -> Tensor:
        """One feature of each image, (B, C)."""
        if self.output == 'class_token':
            return self._class_token(x)
        if self.output == 'pooled_map' and self.normed:
            return self.net.forward_head(self.net.forward_features(x))
        return self._maps(x)[0].mean(dim=(2, 3))

    def _class_token(self, x: Tensor) -> Tensor:
        if getattr(self.net, 'cls_attn_blocks', None) is None:
            ((_, prefix),) = self._maps(x, return_prefix_tokens=True)
            return prefix[:, 0]
        # XCiT's token meets the patches after the last block
        (last,) = self._maps(x, norm=False)
        tokens = self.net.forward_cls(last.flatten(2).transpose(1, 2))
        return (self.net.norm(tokens) if self.normed else tokens)[:, 0]

    def _padded(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        missing = [-side % self.divisor for side in (height, width)]
        if not any(missing):
            return x
        if not self.pad:
            raise UserError(
                f'images of {height}x{width} pixels: this network takes '
                f'multiples of {self.divisor}, and padding is off.'
            )
        return F.pad(x, (0, missing[1], 0, missing[0]))

    def _take_any_size(self) -> None:
        """Let images of any size through a network that checks it."""
        if type(self.net).__name__ != 'Beit':
            return
        from ssl_bench.toolbox.timm_relative import ResizedAttention

        self.net.patch_embed.strict_img_size = False
        for block in self.net.blocks:
            if block.attn.relative_position_bias_table is not None:
                block.attn.__class__ = ResizedAttention
                block.attn.grid = block.attn.window_size

    @contextmanager
    def _positions_of(self, x: Tensor) -> Iterator[None]:
        """Positions for the grid of these images, while they pass.

        An attribute of the instance hides the parameter of the same name,
        so that timm's own code reads the resized table.
        """
        patches: Any = getattr(self.net, 'patch_embed', None)
        table: Any = getattr(self.net, 'pos_embed', None)
        stride = self.layout.stride
        grid = (x.shape[2] // stride, x.shape[3] // stride)
        for block in getattr(self.net, 'blocks', ()):
            if hasattr(getattr(block, 'attn', None), 'grid'):
                block.attn.grid = grid  # of BEiT; the backward pass reads it
        own = self.layout.table
        if own is None or table.ndim != 3 or own == grid:
            yield
            return
        prefix = table.shape[1] - own[0] * own[1]
        hidden = resize(table, grid, prefix, self.positions, own)
        self.net.__dict__['pos_embed'] = hidden
        patches.grid_size = grid
        try:
            yield
        finally:
            del self.net.__dict__['pos_embed']
            patches.grid_size = own

    def _hold_unused(self) -> None:
        """No gradient for what the output does not depend on.

        Processes that train together wait for every gradient.
        """
        names = [name for name, _ in self.net.named_parameters()]
        end = self._end(names)
        for place, name in enumerate(names):
            if not self._uses(name, place > end):
                self.net.get_parameter(name).requires_grad_(False)

    def _end(self, names: list[str]) -> int:
        """Place of the last tensor before the end of the last map.

        timm's networks list their parts in the order in which they run.
        """
        last = self.layout.modules[max(self.out_indices)] + '.'
        places = [i for i, name in enumerate(names) if name.startswith(last)]
        return max(places, default=len(names))

    def _uses(self, name: str, behind: bool) -> bool:
        """Whether the output depends on a tensor.

        Args:
            name (str): timm's.
            behind (bool): It is listed behind the last map.
        """
        whole = self.output == 'pooled_map' and self.normed
        if whole:
            return True
        if name.startswith('head.norm.') and self.map_norm:
            return self.takes_last
        if name.startswith('norm.'):
            return self.normed and (self.layout.plain or self.takes_last)
        if name.startswith(('cls_attn_blocks.', 'cls_token')) and hasattr(
            self.net, 'cls_attn_blocks'
        ):
            return self.output == 'class_token'
        return not behind

    @property
    def takes_last(self) -> bool:
        """Whether the network's last map is among those returned."""
        return max(self.out_indices) == self.layout.depth - 1

    def get_layer_depth(
        self, param_name: str, prefix: str = ''
    ) -> tuple[int, int]:
        """Place of a tensor for layer-wise decay, by timm's own grouping.

        Args:
            param_name (str): Of a parameter of the whole model.
            prefix (str): Of the backbone's names in the model.

        Returns:
            tuple[int, int]: 0 at the input, ..., N - 1 for a head and for
            what else is not the backbone's; and N.
        """
        places = self.layers()
        count = places[HEAD] + 1
        start = f'{prefix}net.'
        if not param_name.startswith(start):
            return count - 1, count
        return places[param_name[len(start) :]], count

    def layers(self) -> dict[str, int]:
        """Layer of each of timm's parameters; the head's is ``HEAD``'s."""
        from timm.models._manipulate import group_with_matcher

        names = tuple(name for name, _ in self.net.named_parameters())
        if self._layers is None or self._layers[0] != names:
            if not hasattr(self.net, 'group_matcher'):
                raise UserError(
                    f'timm groups the layers of {self.arch.model} in no way: '
                    'leave layer-wise decay out.'
                )
            found = group_with_matcher(
                ((name, None) for name in (*names, HEAD)),
                self.net.group_matcher(coarse=False),
                reverse=True,
            )
            self._layers = names, found
        return self._layers[1]


def _known_output(output: str, layout: Any, arch: Any) -> str:
    """The output that a network has.

    Raises:
        UserError: There is no such output, or no class token.
    """
    if output not in OUTPUTS:
        raise UserError(
            f'a backbone gives {", ".join(OUTPUTS)}, not {output!r}.'
        )
    if output == 'class_token' and not layout.class_token:
        raise UserError(f'{arch.model} has no class token; take patch_mean.')
    if output == 'patch_mean' and not layout.plain:
        return 'pooled_map'
    if output == 'pooled_map' and layout.plain:
        return 'patch_mean'
    return output


def plain(value: Any) -> Any:
    """A config's dicts as plain ones."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return value
