"""PixPro: model, position grids, picture of matched positions."""

from ssl_bench.methods.pixpro.model import PixPro

__all__ = ['PixPro']
