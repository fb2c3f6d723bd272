"""Checkpoints in and out: any pretrained encoder, verified."""

from ssl_bench.checkpoints.backbone import (
    Backbone,
    read_backbone,
    write_backbone,
)
from ssl_bench.checkpoints.convert import to_backbone
from ssl_bench.checkpoints.loading import load_into
from ssl_bench.header_fields import SUFFIX

__all__ = [
    'SUFFIX',
    'Backbone',
    'load_into',
    'read_backbone',
    'to_backbone',
    'write_backbone',
]
