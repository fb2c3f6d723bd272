"""Embedded data: scenes of textured shapes in the real sets' layouts."""

from ssl_bench.data.mini.names import (
    CATEGORY_IDS,
    CLASSES,
    PALETTE,
    SEG_CLASSES,
    SEG_PALETTE,
)

__all__ = [
    'CATEGORY_IDS',
    'CLASSES',
    'PALETTE',
    'SEG_CLASSES',
    'SEG_PALETTE',
    'Mini',
    'MiniSizes',
    'fingerprint',
    'make_mini',
    'mini_is_there',
]


def __getattr__(name: str):
    # the names above are read by configs; the builder only when asked for
    if name in __all__:
        from ssl_bench.data.mini import build

        return getattr(build, name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
