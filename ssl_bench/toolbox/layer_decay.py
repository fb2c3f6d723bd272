"""Learning rates that fall towards a vision transformer's input."""

from typing import Any

from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from ssl_bench.toolbox.timm_backbone import TimmBackbone


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ViTLayerDecay(DefaultOptimWrapperConstructor):
    """mmengine's parameter groups with rates that fall towards the input.

    Block i of n has ``layer_decay_rate`` to the power n - i times the rate,
    patches and positions to the power n + 1, all else the rate itself. The
    layers of a `TimmBackbone` are timm's own (`TimmBackbone.layers`). The
    toolkits' own constructors know other backbones and exempt biases from
    weight decay, which Detectron2 does not.

    ``paramwise_cfg`` takes ``layer_decay_rate`` and, but for timm's networks,
    ``num_layers`` (n) in addition to what mmengine's constructor knows.
    """

    def add_params(
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = '',
        **kwargs,
    ) -> None:
        """Add a module's parameters, each a group of its own."""
        super().add_params(params, module, prefix, **kwargs)
        if prefix:  # mmengine calls this for every child
            return
        names = {id(value): name for name, value in module.named_parameters()}
        decay = self.paramwise_cfg['layer_decay_rate']
        for group in params:
            name = names[id(group['params'][0])]
            layer, count = self._place(name, module)
            scale = decay ** (count - 1 - layer)
            group['lr'] = group.get('lr', self.base_lr) * scale

    def _place(self, name: str, model: nn.Module) -> tuple[int, int]:
        """Layer of a tensor, 0 at the input, and how many layers there are."""
        backbone = getattr(model, 'backbone', None)
        if isinstance(backbone, TimmBackbone):
            return backbone.get_layer_depth(name, 'backbone.')
        depth = self.paramwise_cfg['num_layers']
        return vit_layer(name, depth), depth + 2


def vit_layer(name: str, depth: int) -> int:
    """Place of a detector's tensor: 0 at the input, depth + 1 behind.

    Args:
        name (str): Of a parameter of the whole model.
        depth (int): Blocks of the backbone.
    """
    if name.startswith(('backbone.patch_embed.', 'backbone.pos_embed')):
        return 0
    if name.startswith('backbone.layers.'):
        return int(name.split('.')[2]) + 1
    return depth + 1
