"""torch.compile of what a method computes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ssl_bench.errors import UserError, one_line
from ssl_bench.layers.dense_heads import DenseMLP
from ssl_bench.layers.global_bn import GlobalBatchNorm

# children of a model that are compiled, next to every `DenseMLP`
PARTS = (
    'backbone',
    'neck',
    'instance_neck',
    'roi_head',
    'head',
    'propagation',
    'predictor',
)
# of each input shape, mode and use of a part; torch's own limit is 8
GRAPHS = 64


def require_compiler(device: str) -> None:
    """Stop before the run if nothing can be compiled.

    Raises:
        UserError: torch.compile does not find its compiler.
    """
    why = ''
    if device == 'cpu':
        from torch._inductor.cpp_builder import get_cpp_compiler

        try:
            get_cpp_compiler()
        except (RuntimeError, OSError) as error:
            why = one_line(error) or repr(error)
    elif device == 'cuda':
        from torch.utils._triton import has_triton

        why = '' if has_triton() else 'Triton does not work here'
    if why:
        raise UserError(
            f'speed.compile (--compile) finds no compiler: {why}. Leave it '
            'out, or install one.'
        )


def parts_to_compile(model: nn.Module) -> list[nn.Module]:
    """Backbone, neck, heads and predictors, and their moving averages."""
    kinds = {
        type(child)
        for name, child in model.named_children()
        if name in PARTS or isinstance(child, DenseMLP)
    } - {nn.Identity}
    return [module for module in model.modules() if type(module) in kinds]


def compile_parts(parts: list[nn.Module], **options: Any) -> None:
    """Compile what these modules compute, in place.

    Their ``forward`` is compiled and not the call, so names of weights stay,
    and hooks of a module are outside of its graph: one that comes or goes
    (`CollapseHook`) is seen, and nothing is compiled again. One graph for
    each shape: views have few.

    Args:
        parts (list[nn.Module]): Of `parts_to_compile`.
        **options: Of torch.compile.
    """
    for part in parts:
        for module in part.modules():
            _plain_numbers(module)
            if isinstance(module, GlobalBatchNorm):  # asks other processes
                module.as_torch = torch.compiler.disable(  # type: ignore
                    module.as_torch
                )
    limit = torch._dynamo.config.recompile_limit
    torch._dynamo.config.recompile_limit = max(limit, GRAPHS)
    for module in parts:
        module.forward = torch.compile(  # type: ignore[method-assign]
            module.forward, dynamic=False, **options
        )


def _plain_numbers(module: nn.Module) -> None:
    """Make NumPy's numbers among its attributes Python's.

    The compiler takes them for arrays, whose values a graph does not know: the
    rates of stochastic depth in mmpretrain's transformers broke it in two.
    """
    for name, value in vars(module).items():
        if isinstance(value, np.generic):
            setattr(module, name, value.item())


@contextmanager
def compile_errors(compiled: bool) -> Iterator[None]:
    """Turn what the compiler raises into a line.

    Args:
        compiled (bool): Whether anything is compiled.

    Raises:
        UserError: A part of the model does not compile.
    """
    if not compiled:
        yield
        return
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except TorchDynamoException as error:
        raise UserError(
            'torch.compile failed; train without speed.compile (--compile). '
            f'{type(error).__name__}: {one_line(error)}'
        ) from error
