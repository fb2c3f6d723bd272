"""``mmcv._ext`` without a compiler: mmcv's operators from torchvision's.

``onedl-mmcv`` from the package index has no compiled extension, and
``import mmcv.ops`` fails without one. `fill` puts the operators into an empty
module. An operator that is not available exists under its name, because mmcv
checks that at import, and raises an error when it is called.

The conventions are the extension's: operators write into tensors that the
caller allocated, with the positions and keywords of mmcv's wrappers.
"""

from collections.abc import Callable
from types import ModuleType

import torch
import torchvision

from ssl_bench.compat import attention, boxes, deform, focal, roi, roi_max
from ssl_bench.errors import UserError


class OperatorNotServed(UserError, NotImplementedError):
    """An mmcv operator was called that is not available here."""


def not_served(name: str) -> Callable:
    """Make a function for operator ``name`` that raises an error."""

    def operator(*args, **kwargs):
        raise OperatorNotServed(
            f'mmcv operator {name!r} was called, but this mmcv has no '
            f'compiled extension and ssl_bench has only: '
            f'{", ".join(sorted(SERVED))}. Choose a configuration without '
            'it, or compile mmcv against the installed torch (FORCE_CUDA=1 '
            'for its CUDA operators): pip install --no-build-isolation '
            '--no-cache-dir --no-deps --force-reinstall --no-binary '
            'onedl-mmcv onedl-mmcv'
        )

    operator.__name__ = operator.__qualname__ = name
    return operator


def get_compiler_version() -> str:
    """What mmcv reports as the compiler of its operators."""
    return f'none (operators from torchvision {torchvision.__version__})'


def get_compiling_cuda_version() -> str:
    """The CUDA version that torch was built with, or ``not available``."""
    return torch.version.cuda or 'not available'


#: Every operator that is available, by mmcv's name.
SERVED = {
    function.__name__: function
    for function in (
        boxes.nms,
        boxes.softnms,
        boxes.nms_match,
        boxes.bbox_overlaps,
        roi.roi_align_forward,
        roi.roi_align_backward,
        roi_max.roi_pool_forward,
        roi_max.roi_pool_backward,
        deform.deform_conv_forward,
        deform.deform_conv_backward_input,
        deform.deform_conv_backward_parameters,
        deform.modulated_deform_conv_forward,
        deform.modulated_deform_conv_backward,
        focal.sigmoid_focal_loss_forward,
        focal.sigmoid_focal_loss_backward,
        attention.ms_deform_attn_forward,
        attention.ms_deform_attn_backward,
        get_compiler_version,
        get_compiling_cuda_version,
    )
}


def fill(module: ModuleType) -> None:
    """Put the operators into ``module``, and one that raises for others.

    Args:
        module (ModuleType): The empty ``mmcv._ext``.
    """

    def attribute(name: str) -> Callable:
        if name.startswith('_'):
            raise AttributeError(
                f'module {module.__name__!r} has no attribute {name!r}'
            )
        return not_served(name)

    module.__doc__ = __doc__
    module.__dict__.update(SERVED)
    module.__dict__['__getattr__'] = attribute
