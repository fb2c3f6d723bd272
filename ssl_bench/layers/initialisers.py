"""Initialisation of programs written for JAX and TensorFlow."""

import math

from mmengine.model.weight_init import BaseInit, update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import nn

CUT = 2.0  # of the normal distribution, in standard deviations
CUT_STD = 0.87962566103423978  # standard deviation of what is left


@WEIGHT_INITIALIZERS.register_module(name='LeCunTruncatedNormal')
class LeCunTruncatedNormal(BaseInit):
    """Normal, cut at two deviations, of scale 1/sqrt(fan in); bias 0.

    Reference: haiku's default of ``Linear`` and ``Conv2D`` (BYOL), and
        TensorFlow's ``VarianceScaling`` (SimCLR), which makes up for the cut
        so that the variance is 1/fan in (``corrected``).

    Args:
        layer (str | list[str]): Names of layer classes.
        corrected (bool): Whether 1/sqrt(fan in) is the deviation after the
            cut; before it otherwise.
    """

    def __init__(self, corrected: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.corrected = corrected

    def __call__(self, module: nn.Module) -> None:
        """Initialise the layers in a module."""
        module.apply(self._init)
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())

    def _init(self, layer: nn.Module) -> None:
        if type(layer).__name__ not in self.layer:
            return
        weights = dict(layer.named_parameters(recurse=False))
        std = 1 / math.sqrt(weights['weight'][0].numel())
        if self.corrected:
            std /= CUT_STD
        nn.init.trunc_normal_(weights['weight'], 0, std, -CUT * std, CUT * std)
        if 'bias' in weights:
            nn.init.zeros_(weights['bias'])
