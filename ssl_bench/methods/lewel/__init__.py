"""LEWEL: model, alignment neck, picture of its maps."""

from ssl_bench.methods.lewel.model import LEWEL

__all__ = ['LEWEL']
