"""The maps of a task's network, followed from the images to the heads.

On torch's meta device there are shapes and no values, so that a network of
any size takes no memory and little time.
"""

import math
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from ssl_bench.config import load_config
from ssl_bench.errors import UserError, one_line
from ssl_bench.tasks.table import task_config
from ssl_bench.toolbox.timm_backbone import TimmBackbone
from ssl_bench.transfer.frozen import POOLS
from ssl_bench.transfer.recipes import apply_recipe
from ssl_bench.transfer.timm_architecture import image_side, image_sides

SIDE = 128  # pixels, at least: of a detector, whose images have many sizes


def check_shapes(config: Config, module: Any, where: str) -> None:
    """Let an image pass through a network, up to its heads.

    Args:
        config (Config): A plan's.
        module (nn.Module): Its network, on the meta device if it can be.
        where (str): What the config is, for the message.

    Raises:
        UserError: A part gives other channels than the next takes, or the
            backbone takes no images of this size.
    """
    height, width = image_size(config)
    check_size(config, module, height, width, where)
    if 'probe' in config or 'head' in config.model:
        for side in image_sides(config)[1:]:  # of the training
            check_size(config, module, side, side, where)
    device = next(module.backbone.parameters()).device
    images = torch.zeros(1, 3, height, width, device=device)
    training = module.training
    module.eval()  # an image alone has no statistics
    try:
        with torch.no_grad():
            _pass(config, module, images)
    except (AssertionError, IndexError, RuntimeError, ValueError) as error:
        raise UserError(
            f'the parts of {where} do not fit each other, for images of '
            f'{height}x{width} pixels: {one_line(error)}'
        ) from error
    finally:
        module.train(training)


def check_size(
    config: Config, module: Any, height: int, width: int, task: str
) -> None:
    """Refuse images that patches do not divide, where nothing pads them.

    A convolution would leave the rest of the image out and say nothing.

    Raises:
        UserError: Names the nearest sizes, and recipes with one that fits.
    """
    backbone = module.backbone
    rule, what = getattr(module, 'rule', None), 'network'
    timm = isinstance(backbone, TimmBackbone)
    if rule is not None and (rule.padding == 'none' or not timm):
        patch, what = module.cell, 'task'
    elif timm:
        patch = 1 if backbone.pad else backbone.divisor
    else:
        settings = config.get('model', config)['backbone']
        patch = settings.get('patch_size', 1)
    for side in (height, width):
        if side % patch:
            below = max(side // patch, 1) * patch
            recipes = [f'--recipe {r}' for r in _recipes_for(task, patch)]
            more = f', or take {" or ".join(recipes)}' if recipes else ''
            raise UserError(
                f'images of {height}x{width} pixels: patches of {patch} '
                f'pixels do not divide {side}, and this {what} does not pad '
                f'them. The nearest sizes are {below} and {below + patch}'
                f'{more}.'
            )


def _recipes_for(task: str, patch: int) -> list[str]:
    """Recipes of a task on frozen maps whose images the patches divide."""
    file = task_config(task)
    found = []
    for name in load_config(file).get('recipes', {}):
        config = load_config(file)
        apply_recipe(config, task, name)
        maps = config.get('probe', {}).get('maps')
        if maps and not any(side % patch for side in image_sides(config)):
            found.append(name)
    return found


def _pass(config: Config, module: Any, images: Tensor) -> None:
    if 'maps' in config.get('probe', {}):
        module.patches(images)
        return
    if 'probe' in config:
        pool = POOLS[config.probe.get('pool', 'global_average')]
        pool(module.backbone(images)[-1])
        return
    maps = module.extract_feat(images)
    for name in ('decode_head', 'rpn_head'):
        if hasattr(module, name):
            getattr(module, name).forward(maps)
    if hasattr(module, 'roi_head') or hasattr(module, 'bbox_head'):
        return  # what follows depends on the values
    if getattr(module, 'auxiliary_head', None) is not None:
        module.auxiliary_head.forward(maps)
    elif hasattr(module, 'head') and not hasattr(module, 'decode_head'):
        module.head(maps)


def image_size(config: Config) -> tuple[int, int]:
    """Height and width of a training image as the network gets it."""
    if 'probe' in config:
        return (image_side(config),) * 2
    pixels = config.model.get('data_preprocessor') or config.get(
        'data_preprocessor', {}
    )
    fixed = [
        step['size']
        for step in pixels.get('batch_augments') or ()
        if step
        if isinstance(step, dict) and 'size' in step
    ]
    size = pixels.get('size') or (fixed[0] if fixed else None)
    if size is not None:
        return (size, size) if isinstance(size, int) else tuple(size)
    if 'head' in config.model:
        return (image_side(config),) * 2
    divisor = pixels.get('pad_size_divisor', 1)
    return (math.ceil(SIDE / divisor) * divisor,) * 2
