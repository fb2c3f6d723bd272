"""Refuse sizes that do not fit each other before a pretraining starts.

Classes check their own arguments when they are built. This module checks what
is between the model and the data, and inside the toolkits' models, which
would stop in the middle of a step or continue with fewer pixels. What a
single method needs is a method of its model (see `check_sizes`), or in the
table `CHECKS` for models of the toolkits.
"""

from collections.abc import Sequence

from torch import nn

from ssl_bench.baselines import CHECKS
from ssl_bench.data.pipeline import build_pipeline, view_sizes
from ssl_bench.engine.distributed import unwrapped
from ssl_bench.errors import UserError
from ssl_bench.layers.feature_queue import check_queue

Size = tuple[int, int]


def check_sizes(config, model: nn.Module, processes: int) -> None:
    """Compare batch, queues, views, patches and heads.

    A model may have checks of its own: ``check_batch(batch)`` gets the global
    batch, also where a module of the model has it; ``check_views(sizes)`` the
    height and width of each kind of view; ``check_data(transforms)`` the
    built transforms of the data.

    Args:
        config (mmengine.Config): The config the model was built from.
        model (nn.Module): The model, wrapped for several processes or not.
        processes (int): How many train.

    Raises:
        UserError: Two sizes that do not fit; both are in the message.
    """
    model = unwrapped(model)
    batch = config.train_dataloader.batch_size
    check_queues(model, batch * processes)
    if config.model.type in CHECKS:
        CHECKS[config.model.type](config, batch, processes)
    check_heads(model)
    transforms = build_pipeline(config)
    sizes = sorted(set(view_sizes(transforms)))
    check_patches(model, sizes)
    for name, argument in (('check_views', sizes), ('check_data', transforms)):
        if hasattr(model, name):
            getattr(model, name)(argument)


def check_queues(model: nn.Module, batch: int) -> None:
    """A queue, of this project or mmpretrain, has whole global batches."""
    for module in model.modules():
        check_batch = getattr(module, 'check_batch', None)
        if callable(check_batch):
            check_batch(batch)
        length = getattr(module, 'queue_len', None)
        if isinstance(length, int):
            check_queue(length, batch, 'model.queue_len')


def check_heads(model: nn.Module) -> None:
    """Attention heads divide their channels."""
    for name, module in model.named_modules():
        heads = getattr(module, 'num_heads', None)
        width = getattr(module, 'embed_dims', None)
        if isinstance(heads, int) and isinstance(width, int) and width % heads:
            raise UserError(
                f'{heads} heads do not divide the {width} channels of '
                f'{name or "the model"}; change one of them.'
            )


def check_patches(model: nn.Module, sizes: Sequence[Size]) -> None:
    """A ViT gets views of its own size, which whole patches fill."""
    from mmpretrain.models import VisionTransformer

    vit = getattr(model, 'backbone', None)
    if not isinstance(vit, VisionTransformer):
        return
    own = tuple(vit.img_size)
    patch = tuple(vit.patch_embed.projection.kernel_size)
    if own[0] % patch[0] or own[1] % patch[1]:
        raise UserError(
            f'patches of {patch[0]} pixels do not divide a view '
            f'of {own[0]} pixels; change img_size or patch_size.'
        )
    for size in sizes:
        if size != own:
            raise UserError(
                f'the data makes views of {size[0]} x {size[1]} pixels, the '
                f'backbone was built for {own[0]} x {own[1]}; set '
                "model.backbone.img_size or the views' size."
            )
