"""Tensors of today's official models: names, shapes and cheap values."""

import functools
import gzip
import json
import pathlib

import torch

KEYS = pathlib.Path(__file__).parent / 'data/modern_keys.json.gz'


@functools.cache
def _lists():
    return json.loads(gzip.decompress(KEYS.read_bytes()))


def names():
    """Every list's name, for instance dinov2_vits14."""
    return tuple(_lists())


def shapes(name):
    """Of one model: each tensor's name, and its shape and type."""
    rows = raw(name)
    rows.pop('__about__', None)
    return {
        key: (tuple(shape), getattr(torch, dtype))
        for key, (shape, dtype) in rows.items()
    }


def raw(name):
    """One list as it stands: `__about__`, or the index of a folder."""
    return dict(_lists()[name])


def expanded(name):
    """The tensors, each one number seen through strides of zero.

    Number i fills tensor i, so that a tensor in a wrong place is seen; a
    file of them is a few bytes for each tensor.
    """
    return {
        key: torch.tensor(index + 1).to(dtype).expand(shape)
        for index, (key, (shape, dtype)) in enumerate(shapes(name).items())
    }


def drawn(shapes_of, seed=0, scale=0.1):
    """Random values for names and shapes, the same for the same seed.

    Args:
        shapes_of (dict): Name to (shape, type), as of `shapes`.
    """
    generator = torch.Generator().manual_seed(seed)
    return {
        key: (torch.randn(shape, generator=generator) * scale).to(dtype)
        for key, (shape, dtype) in shapes_of.items()
    }
