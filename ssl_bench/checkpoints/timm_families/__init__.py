"""The families of today's checkpoints, in the order in which they are asked.

One file holds one kind of network; a new family is one entry in its list.
"""

from ssl_bench.checkpoints.timm_families import (
    beit,
    convnet,
    eva,
    regnet,
    swin,
    transformers,
    vit,
    xcit,
)
from ssl_bench.checkpoints.timm_families.base import Facts, Family, Mapped

FAMILIES: tuple[Family, ...] = (
    *transformers.FAMILIES,
    *eva.FAMILIES,
    *vit.FAMILIES,
    *eva.EVA_FAMILIES,
    *beit.FAMILIES,
    *xcit.FAMILIES,
    *convnet.FAMILIES,
    *swin.FAMILIES,
    *regnet.FAMILIES,
    *vit.LAST_FAMILIES,
)

__all__ = ['FAMILIES', 'Facts', 'Family', 'Mapped']
