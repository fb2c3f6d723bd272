"""Reads a state dict as its family does, without a file."""

import re

import torch

from ssl_bench.checkpoints.timm_families import (
    convnet,
    regnet,
    swin,
    transformers,
)
from ssl_bench.checkpoints.timm_families.base import Facts

OURS = (
    *transformers.FAMILIES,
    *convnet.FAMILIES,
    *swin.FAMILIES,
    *regnet.FAMILIES,
)


def family_of(state):
    """The first family that fits, by the order in which they are asked."""
    return next(row for row in OURS if row.fits(state))


def mapped_of(state, family=None, **facts):
    """The family, its answer, and the network with the weights in it."""
    family = family or family_of(state)
    kept = {
        name: tensor
        for name, tensor in state.items()
        if name in family.keeps
        or not any(re.match(p, name) for p in family.drop)
    }
    facts = Facts('file.pth', names=frozenset(state), **facts)
    answer = family.read(kept, facts)
    net = answer.net.build().eval()
    missing, unexpected = net.load_state_dict(answer.state, strict=False)
    missing = [m for m in missing if not m.endswith('num_batches_tracked')]
    assert not missing, missing[:4]
    assert not unexpected, unexpected[:4]
    return family, answer, net


def randomise(module, seed=0):
    """Random values in every tensor, statistics of norms included."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith('running_var'):
                noise = 1 + noise.abs()
            elif tensor.ndim == 1 and name.endswith('weight'):
                noise = 1 + noise * 0.2
            elif tensor.ndim > 1:  # about one, whatever the width
                noise = noise / tensor[0].numel() ** 0.5
            else:
                noise = noise * 0.2
            tensor.copy_(noise)
    return module.eval()


def shapes_agree(state, family=None, **facts):
    """The network whose tensors are exactly what the family makes of them."""
    family = family or family_of(state)
    kept = {
        name: tensor
        for name, tensor in state.items()
        if name in family.keeps
        or not any(re.match(p, name) for p in family.drop)
    }
    answer = family.read(
        kept, Facts('file.pth', names=frozenset(state), **facts)
    )
    found = {
        name: tuple(tensor.shape)
        for name, tensor in answer.state.items()
        if not name.endswith('num_batches_tracked')
    }
    assert found == answer.net.shapes()
    return answer.net
