"""Classification by many heads on the maps of a frozen backbone."""

import copy
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import torch
from mmengine.model import is_model_wrapper
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.registry import (
    OPTIM_WRAPPER_CONSTRUCTORS,
    OPTIM_WRAPPERS,
    OPTIMIZERS,
)
from mmpretrain.models.classifiers import BaseClassifier
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.errors import unknown_name
from ssl_bench.toolbox.frozen_maps import (
    FrozenMaps,
    MapRule,
    choose_maps,
    has_class_token,
)
from ssl_bench.toolbox.probe_heads import (
    FeatureSource,
    ProbeHeads,
    read_sources,
)

COMPUTE = ('float32', 'bfloat16')
TOP = 5  # classes that a sample's code counts


def rule_and_sources(
    backbone: Mapping[str, Any], maps: Mapping[str, Any], sources: Any
) -> tuple[MapRule, dict[str, Any], list[int], list[FeatureSource]]:
    """What a config's heads take of a backbone.

    Args:
        backbone (Mapping): Config of a `TimmBackbone` or ``ResNet``.
        maps (Mapping): The fields of a `MapRule`.
        sources (Sequence[str]): Names of `FeatureSource`.

    Returns:
        tuple: The rule, without class tokens where the network has none; the
        backbone's config; the widths of its maps; the sources.

    Raises:
        UserError: A faulty rule or source, or the backbone has no such maps.
    """
    asked = MapRule.read(maps, 'model.maps')
    token = has_class_token(backbone)
    rule = MapRule(
        **{**vars(asked), 'class_token': asked.class_token and token}
    )
    settings, widths, _ = choose_maps(backbone, rule, 'model.maps')
    found = read_sources(sources, asked, len(widths), token)
    return rule, settings, widths, found


@MODELS.register_module()
class FrozenClassifier(BaseClassifier):
    """A frozen backbone, run once a batch, under many heads.

    Reference: DINOv2, ``eval/linear.py``; CAPI, ``eval_classification.py``
        (docs/protocols.md). `HeadAccuracy` chooses a head and scores it.

    Args:
        backbone (dict): Config of a `TimmBackbone` or ``ResNet``.
        head (dict): ``sources`` (names of `FeatureSource`), and what
            `ProbeHeads` takes.
        maps (dict): The fields of a `MapRule`.
        compute (str): Of the backbone; ``bfloat16``: under autocast. Heads
            are in single precision.
        data_preprocessor (dict, optional): Mean, deviation, channel order.
        init_cfg (dict, optional): mmengine's.

    Raises:
        UserError: A faulty setting, or the backbone has no such maps.

    Attributes:
        reported (int): Place of the head whose predictions are drawn;
            `ChooseHeadHook` sets it.
    """

    reported = 0

    def __init__(
        self,
        backbone: dict,
        head: dict,
        *,
        maps: dict,
        compute: str,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if isinstance(data_preprocessor, dict):
            data_preprocessor = {
                'type': 'ClsDataPreprocessor',
                **data_preprocessor,
            }
        super().__init__(init_cfg, data_preprocessor)
        if compute not in COMPUTE:
            raise unknown_name('model.compute', str(compute), COMPUTE)
        settings = dict(head)
        rule, chosen, widths, sources = rule_and_sources(
            backbone, maps, settings.pop('sources')
        )
        self.backbone = MODELS.build(chosen)
        self.maps = FrozenMaps(self.backbone, rule)
        self.head = ProbeHeads(sources, widths, **settings)
        self.mixed = compute == 'bfloat16'
        self.train(self.training)

    def train(self, mode: bool = True) -> 'FrozenClassifier':
        """The backbone stays in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    @torch.no_grad()
    def extract_feat(self, inputs: Tensor) -> dict[str, Tensor]:
        """Images (B, 3, H, W), normalised, to features by their source."""
        with (
            torch.autocast(inputs.device.type, torch.bfloat16)
            if self.mixed
            else nullcontext()
        ):
            maps, tokens = self.maps.layers(inputs)
        return {
            source.name: source.take(maps, tokens or [])
            for source in self.head.sources
        }

    def forward(
        self,
        inputs: Tensor,
        data_samples: list | None = None,
        mode: str = 'tensor',
    ) -> Any:
        """mmpretrain's modes.

        Returns:
            Logits (H, B, K); of ``loss`` a dict of it; of ``predict`` the
            samples with ``head_codes``, (H,) int8 (see `head_codes`), and
            the prediction of the reported head.
        """
        logits = self.head(self.extract_feat(inputs))
        if mode == 'tensor':
            return logits
        assert data_samples is not None
        labels = torch.cat([sample.gt_label for sample in data_samples])
        labels = labels.to(logits.device)
        if mode == 'loss':
            return dict(loss=self.head.loss(logits, labels))
        drawn = logits[self.reported].argmax(dim=1)
        codes = head_codes(logits, labels).T.cpu()  # (B, H)
        for sample, code, label in zip(data_samples, codes, drawn):
            sample.set_field(code, 'head_codes')
            sample.set_pred_label(label)
        return data_samples


def head_codes(logits: Tensor, labels: Tensor) -> Tensor:
    """How good each head's order of the classes is.

    Args:
        logits (Tensor): (H, B, K); a head that has diverged gives no finite
            ones, and is wrong.
        labels (Tensor): (B,).

    Returns:
        Tensor: (H, B) int8: 2: the first is right; 1: one of the first five;
        0: none of them.
    """
    first = logits.topk(min(TOP, logits.shape[-1]), dim=-1).indices
    right = first == labels[None, :, None]  # (H, B, 5)
    finite = logits.isfinite().all(dim=-1)  # (H, B)
    codes = right.any(dim=-1).int() + right[..., 0].int()
    return (codes * finite).to(torch.int8)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class HeadRates(DefaultOptimWrapperConstructor):
    """Rate and weight decay of each head; the optimizer's rate times its own.

    Reference: DINOv2 and CAPI: a head's rate is that of the grid times the
        batch over 256, which is the optimizer's rate in a config.
    """

    def __call__(self, model: nn.Module) -> Any:
        """An optimizer of a `FrozenClassifier`'s heads, in its wrapper."""
        whole: Any = model.module if is_model_wrapper(model) else model
        optimizer = copy.deepcopy(dict(self.optimizer_cfg))
        optimizer['params'] = whole.head.groups(optimizer['lr'])
        wrapper = dict(self.optim_wrapper_cfg)
        wrapper.setdefault('type', 'OptimWrapper')
        return OPTIM_WRAPPERS.build(
            wrapper, default_args=dict(optimizer=OPTIMIZERS.build(optimizer))
        )
