"""SiameseIM: model, ViT, position codes, block masks."""

from ssl_bench.methods.siamese_im import block_mask  # noqa: F401  registers
from ssl_bench.methods.siamese_im.model import SiameseIM

__all__ = ['SiameseIM']
