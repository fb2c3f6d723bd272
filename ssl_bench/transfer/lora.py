"""Low-rank terms next to the weights of an attention (LoRA), by peft."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from torch import Tensor, nn

from ssl_bench.errors import UserError
from ssl_bench.transfer.blocks import projections

ADAPTER = 'default'  # peft's name, in the names of the tensors


def add_terms(backbone: nn.Module, rank: int) -> None:
    """Put low-rank terms next to the projections of attentions.

    Reference: Hu et al., ICLR 2022, Sec. 4: W + s B A with B at 0 at first.
    The fused projection of queries, keys and values and the projection after
    the attention get terms; MLPs, norms and biases do not. The factor s is
    1: peft's ``lora_alpha`` is the rank. There is no dropout. All other
    tensors of the backbone lose their gradient. A projection that has none
    already, since the task holds it or does not use it, gets no term.

    Args:
        backbone (nn.Module): With `projections`; changed in place.
        rank (int): Of each term.

    Raises:
        UserError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise UserError(
            f'--train lora:{rank} needs peft: pip install "ssl-bench[lora]"'
        ) from error
    config = LoraConfig(
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        bias='none',
        target_modules='|'.join(
            re.escape(name)
            for name, layer in projections(backbone).items()
            if layer.weight.requires_grad
        ),
    )
    inject_adapter_in_model(config, backbone, ADAPTER)
    for _, _, layer in layers_with_terms(backbone):
        layer.__class__ = _with_whole_weight()


@lru_cache(maxsize=1)
def _with_whole_weight() -> type:
    """peft's layer, whose ``weight`` has its term in it.

    Attentions with biases of queries and values alone (BEiT's, EVA's,
    Swin V2's) take the weight and do not call the layer. peft's own gives
    them the one without the term, which would then never be trained.
    """
    from peft.tuners.lora import Linear

    class WholeWeight(Linear):  # type: ignore[misc]
        """Its weight is W + s B A."""

        @property
        def weight(self) -> Tensor:
            """(out, in), with the gradient of A and B."""
            base: Any = self.base_layer
            whole: Tensor = base.weight + self.get_delta_weight(ADAPTER)
            return whole

    return WholeWeight


def layers_with_terms(model: nn.Module) -> list[tuple[nn.Module, str, Any]]:
    """Each of peft's layers: its parent, its name there, and itself."""
    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if hasattr(child, 'lora_A')
    ]


@contextmanager
def own_names(model: nn.Module) -> Iterator[None]:
    """The model as it was before `add_terms`, while the block runs.

    Its tensors have the names of a backbone file, and what initialises
    linear layers does not see the terms, which start at 0.
    """
    found = layers_with_terms(model)
    for parent, name, layer in found:
        setattr(parent, name, layer.base_layer)
    try:
        yield
    finally:
        for parent, name, layer in found:
            setattr(parent, name, layer)
