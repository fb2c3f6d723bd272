"""InsLoc: model, RoI head, copy-paste views."""

from ssl_bench.methods.insloc import views  # noqa: F401  registers
from ssl_bench.methods.insloc.model import InsLoc

__all__ = ['InsLoc']
