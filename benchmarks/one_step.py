"""A method's training step and its limit, ready to be timed."""

import copy
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import default_collate
from mmengine.logging import MessageHub
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from PIL import Image
from torch import Tensor, nn

from ssl_bench.engine.param_groups import MergedGroups
from ssl_bench.engine.speed import (
    OPTIONS,
    Speed,
    choose,
    convert,
    encoders,
    limits,
    set_up,
)

# name: config of the paper's size, and of the embedded images if there is one
METHODS: dict[str, tuple[str, str | None]] = {
    'mocov2': ('mocov2_r50_200e', 'mini/mocov2_r18'),
    'pixpro': ('pixpro_r50_100e', 'mini/pixpro_r18'),
    'insloc_fpn': ('insloc_r50_fpn', 'mini/insloc_r18_fpn'),
    'lewel_b': ('lewel_b_eman_r50_100e', 'mini/lewel_b_r18'),
    'barlow_twins': ('barlow_twins_r50_300e', 'mini/barlow_twins_r18'),
    'siamese_im': ('siamese_im_vitb16_400e', 'mini/siamese_im_vit_tiny'),
    'pixcontrast': ('pixcontrast_r50_100e', 'mini/pixcontrast_r18'),
    'insloc_c4': ('insloc_r50_c4', 'mini/insloc_r18_c4'),
    'lewel_m': ('lewel_m_r50_200e', 'mini/lewel_m_r18'),
    'simsiam': ('simsiam_r50_100e', None),
    'simclr': ('simclr_r50_200e', None),
    'byol': ('byol_r50_300e', None),
    'densecl': ('densecl_r50_200e', None),
    'mocov3': ('mocov3_vitb16_300e', None),
    'swav': ('swav_r50_200e', None),
    'mae': ('mae_vitb16_800e', None),
}
OURS = tuple(name for name, (_, mini) in METHODS.items() if mini)
DRAWN = 16  # images that the views are made of; the batch repeats them
# the option that a form adds, where it has another name
ADDS = dict(bfloat16='amp')


@dataclass
class Setting:
    """One method on one device, in the form it has at the moment."""

    name: str
    config: Any
    model: nn.Module
    wrapper: Any
    data: dict
    batch: int
    passes: list = field(default_factory=list)
    on: Speed = Speed()

    def step(self) -> Tensor:
        """One training step without hooks and logs: the loss."""
        with self.wrapper.optim_context(self.model):
            terms = self.model(**self.data, mode='loss')
        loss, _ = self.model.parse_losses(terms)
        self.wrapper.update_params(loss)
        return loss.detach()

    def limit(self) -> None:
        """The backbone's passes of such a step, and their backward pass."""
        outputs, grads = [], []
        with self.wrapper.optim_context(self.model):
            for module, inputs, grad in self.passes:
                with nullcontext() if grad else torch.no_grad():
                    result = module(*inputs)
                if grad:
                    maps = tensors_of(result)
                    outputs += maps
                    grads += [torch.ones_like(one) for one in maps]
        torch.autograd.backward(outputs, grads)
        self.model.zero_grad(set_to_none=True)


def tensors_of(result: Any) -> list[Tensor]:
    """The tensors with a gradient in what a backbone returns."""
    parts = [result] if isinstance(result, Tensor) else list(result)
    return [
        part
        for part in parts
        if isinstance(part, Tensor) and part.requires_grad
    ]


def write_images(folder: Path, count: int, size=(500, 375)) -> Path:
    """JPEG files of smooth random colours; returns the folder."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        noise = rng.integers(-12, 13, (size[1], size[0], 3))
        pixels = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f'{index:05d}.jpg', quality=90)
    return folder


def drawn_items(config, folder: Path, count: int) -> list[dict]:
    """Views of images in a folder, as the config's loader makes them."""
    from mmpretrain.registry import DATASETS

    settings = copy.deepcopy(config.train_dataloader.dataset)
    settings.data_root = str(folder)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        dataset = DATASETS.build(settings)
    return [dataset[index] for index in range(count)]


def batch_of(items: list[dict], model: nn.Module, batch: int) -> dict:
    """A batch that repeats the items, on the model's device, normalised."""
    rows = [copy.deepcopy(items[i % len(items)]) for i in range(batch)]
    return model.data_preprocessor(default_collate(rows), True)


def plain_speed(config) -> None:
    """Turn off what a form can add; cuDNN's choice is not one of these."""
    config.speed = dict.fromkeys(OPTIONS, False) | dict(cudnn_benchmark='auto')


def build(config, device: str) -> tuple[nn.Module, Any]:
    """A config's model on a device, and its optimizer's wrapper."""
    from mmpretrain.registry import MODELS

    plain_speed(config)
    set_up(config, choose(config, device), device)
    # mmpretrain's moving averages read the length of the run there
    MessageHub.get_current_instance().update_info('max_iters', 1000)
    settings = {'data_preprocessor': config.get('data_preprocessor')}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        torch.manual_seed(0)
        model = MODELS.build(settings | config.model)
        model.init_weights()
        model = model.to(device).train()
    for module in model.modules():
        if hasattr(module, 'set_total_steps'):
            module.set_total_steps(1000)
    return model, build_wrapper(model, config)


def build_wrapper(model: nn.Module, config) -> Any:
    """The optimizer's wrapper, with merged groups as in a run."""
    settings = copy.deepcopy(config.optim_wrapper)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        wrapper = build_optim_wrapper(model, settings)
    MergedGroups(wrapper.optimizer)
    return wrapper


def record_passes(setting: Setting) -> list:
    """Module, inputs and need of gradient of each backbone pass of a step."""
    found: list = []

    def listen(module: nn.Module, inputs: tuple) -> None:
        copies = tuple(
            x.detach().clone() if isinstance(x, Tensor) else x for x in inputs
        )
        found.append((module, copies, torch.is_grad_enabled()))

    handles = [
        module.register_forward_pre_hook(listen)
        for module in encoders(setting.model)
    ]
    setting.step()
    for handle in handles:
        handle.remove()
    return found


def prepare(name: str, config, items: list, batch: int, device: str):
    """A method at a batch size, its passes recorded."""
    config = copy.deepcopy(config)
    config.train_dataloader.batch_size = batch
    model, wrapper = build(config, device)
    data = batch_of(items, model, batch)
    setting = Setting(name, config, model, wrapper, data, batch)
    setting.passes = record_passes(setting)
    return setting


def apply_form(setting: Setting, form: str, device: str) -> str:
    """Add one form to those that a setting has; say what is left out."""
    if form == 'float32':
        return ''
    option = ADDS.get(form, form)
    why_not, _ = limits(setting.config, device)[option]
    if why_not:
        return why_not
    setting.config.speed[option] = True
    setting.on = choose(setting.config, device)
    set_up(setting.config, setting.on, device)
    if option in ('amp', 'fused'):
        setting.wrapper = build_wrapper(setting.model, setting.config)
    if option == 'compile':
        torch._dynamo.reset()
    if option in ('channels_last', 'compile'):
        convert(setting.model, Speed(**{option: True}))
    return ''
