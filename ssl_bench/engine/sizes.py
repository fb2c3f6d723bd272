"""Refuse sizes that do not fit one another before a pretraining starts.

Our own classes check their arguments when they are built. What remains is
between the model and the data, and inside the toolkits' models, which would
stop in the middle of a step or go on with fewer pixels.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from mmengine.model import is_model_wrapper
from torch import nn

from ssl_bench.errors import UserError
from ssl_bench.methods.insloc.views import InsLocViews
from ssl_bench.methods.siamese_im.block_mask import AddBlockMask

Size = tuple[int, int]


def check_sizes(config, model: nn.Module, processes: int) -> None:
    """Compare batch, queues, views, patches, masks and heads.

    Args:
        config (mmengine.Config): The config the model was built from.
        model (nn.Module): It, perhaps wrapped for several processes.
        processes (int): How many train.

    Raises:
        UserError: Two sizes that do not fit; both are in the message.
    """
    if is_model_wrapper(model):
        model = model.module
    loader = config.train_dataloader
    check_queues(model, loader.batch_size * processes)
    check_swav(config.get('custom_hooks', []), loader.batch_size, processes)
    check_heads(model)
    sizes = sorted(set(view_sizes(loader.dataset.pipeline)))
    check_patches(model, sizes)
    check_masks(model, loader.dataset.pipeline)
    if hasattr(model, 'check_views'):
        model.check_views(sizes)


def check_queues(model: nn.Module, batch: int) -> None:
    """Queues of ours and of mmpretrain hold whole global batches."""
    for module in model.modules():
        if hasattr(module, 'check_batch'):
            module.check_batch(batch)
        length = getattr(module, 'queue_len', None)
        if isinstance(length, int) and (length < batch or length % batch):
            raise UserError(
                f'a queue of {length} keys is no multiple of the global '
                f'batch of {batch}. Change model.queue_len or the batch '
                '(images per process times processes) so that it divides.'
            )


def check_swav(
    hooks: list[dict[str, Any]], batch: int, processes: int
) -> None:
    """SwAV's hook is told the batch of a process, and owns the queue."""
    for hook in hooks:
        if hook['type'] != 'SwAVHook':
            continue
        if hook['batch_size'] != batch:
            raise UserError(
                f'the SwAVHook was told a batch of {hook["batch_size"]} '
                f'images per process, the loader has {batch}. Set both to '
                'the same number (custom_hooks.SwAVHook.batch_size).'
            )
        length = hook.get('queue_length', 0)
        if length % (batch * processes):  # the hook would shorten it
            raise UserError(
                f'a queue of {length} embeddings is no multiple of the '
                f'global batch of {batch * processes}. Change '
                'custom_hooks.SwAVHook.queue_length or the batch so that it '
                'divides.'
            )


def check_heads(model: nn.Module) -> None:
    """Attention heads share the channels out evenly."""
    for name, module in model.named_modules():
        heads = getattr(module, 'num_heads', None)
        width = getattr(module, 'embed_dims', None)
        if isinstance(heads, int) and isinstance(width, int) and width % heads:
            raise UserError(
                f'{heads} heads do not divide the {width} channels of '
                f'{name or "the model"}; change one of them.'
            )


def check_patches(model: nn.Module, sizes: list[Size]) -> None:
    """A ViT gets views of its own size, cut into whole patches."""
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


def check_masks(model: nn.Module, pipeline: list[dict[str, Any]]) -> None:
    """The data mask as many patches as the model drops."""
    masked = getattr(model, 'num_masked', None)
    for step in pipeline:
        if masked is None or step['type'] != 'AddBlockMask':
            continue
        draw = AddBlockMask(
            **{name: step[name] for name in step if name != 'type'}
        ).draw
        patches = masked + model.num_visible
        if (draw.masked, draw.grid**2) != (masked, patches):
            raise UserError(
                f'the model was built for num_masked={masked} of {patches} '
                f'patches, the data mask {draw.masked} of {draw.grid**2}; '
                'change model.num_masked, or size, patch_size and ratio of '
                'AddBlockMask, so that they agree.'
            )


def view_sizes(pipeline: list[dict[str, Any]]) -> Iterator[Size]:
    """Height and width of every view that a pipeline makes."""
    for step in pipeline:
        if step['type'] == 'MakeViews':
            for view in step['views']:
                yield _pair(view['size'])
        elif step['type'] == 'InsLocViews':
            canvas = inspect.signature(InsLocViews).parameters['canvas']
            yield _pair(step.get('canvas', canvas.default))
        elif step['type'] == 'RandomResizedCrop':
            yield _pair(step['scale'])
        elif step['type'] == 'MultiView':
            for steps in step['transforms']:
                yield from view_sizes(steps)


def _pair(size: Any) -> Size:
    return (size, size) if isinstance(size, int) else tuple(size)
