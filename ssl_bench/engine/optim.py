"""Mixed precision that is the same on CPU and accelerator."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn


def set_precision(wrapper: dict, kind: str) -> None:
    """Make a config's optimizer wrapper one without loss scaling.

    Args:
        wrapper (dict): ``optim_wrapper`` of a config, changed in place.
        kind (str): ``'OptimWrapper'`` or ``'BFloat16OptimWrapper'``.
    """
    wrapper['type'] = kind
    for name in ('loss_scale', 'dtype', 'use_fsdp'):  # AmpOptimWrapper's
        wrapper.pop(name, None)


def leave_out_mixed(wrapper: dict) -> bool:
    """Replace mixed precision, which needs an accelerator, by single.

    Args:
        wrapper (dict): ``optim_wrapper`` of a config, changed in place.

    Returns:
        bool: Whether it was mixed precision.
    """
    if wrapper.get('type') != 'AmpOptimWrapper':
        return False
    set_precision(wrapper, 'OptimWrapper')
    return True


@OPTIM_WRAPPERS.register_module()
class BFloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass under bfloat16 autocast.

    bfloat16 has float32's exponent range, so there is no loss scaling.
    """

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast on the device in use."""
        device = get_device().split(':')[0]
        with (
            super().optim_context(model),
            torch.autocast(device, dtype=torch.bfloat16),
        ):
            yield
