"""InsLoc: tell instances apart by the box they were pasted into."""

from collections.abc import Sequence
from typing import cast

import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.errors import UserError
from ssl_bench.layers import (
    BatchShuffle,
    FeatureQueue,
    MomentumEncoder,
    info_nce,
)
from ssl_bench.layers.dense_heads import check_stride
from ssl_bench.layers.precision import unit
from ssl_bench.methods.insloc.roi_head import require_same
from ssl_bench.methods.insloc.sheet import box_sheet


def level_losses(
    query: Tensor, key: Tensor, negatives: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """InfoNCE for each level, against the queue of that level.

    Args:
        query (Tensor): Unit vectors, (N, L, D).
        key (Tensor): Unit vectors of the same instances, (N, L, D).
        negatives (Tensor): Unit columns, (L, D, K).
        temperature (float): Divisor of the cosines.

    Returns:
        tuple[Tensor, Tensor]: Mean loss and top-1 accuracy in percent of
        each level, (L,) both.
    """
    terms = [
        info_nce(query[:, level], key[:, level], negatives[level], temperature)
        for level in range(len(negatives))
    ]
    return (
        torch.stack([losses.mean() for losses, _ in terms]),
        torch.stack([accuracy for _, accuracy in terms]),
    )


@MODELS.register_module()
class InsLoc(BaseSelfSupervisor):
    """Contrast the boxes of one instance pasted onto two backgrounds.

    Two crops of an image are pasted at random places of two other images.
    RoI features of the paste boxes, one per pyramid level, are contrasted
    with a momentum encoder's and with a queue per level; on chosen levels
    the query sees an anchor that overlaps its box instead.

    Reference: Yang, Wu, Zhou, Lin, "Instance Localization for
        Self-supervised Detection Pretraining", CVPR 2021, arXiv:2102.08318.
    Published: COCO Mask R-CNN R50-FPN 1x after 200 epochs of ImageNet: box
        AP 41.4, mask AP 37.1; R50-C4 1x: 39.5, 34.5.
    Parity: R50-FPN: golden vectors of the official code; R50-C4: a reading
        of the paper.
    Deviations: (1) The overlapping anchor is drawn in the data loader
        (`InsLocViews`): it has no parameters, and so a training step never
        waits for the device. (2) The released checkpoints have an unused
        queue in addition to those of the levels; here there is none. (3) No
        released code trains R50-C4: RoIs of 14x14, the MoCo v2 projection
        (2048, 128) and its initialisation are a reading of the released
        weights' converter. (4) Logits are in float32 under mixed precision.

    Args:
        backbone (dict): Network with one output per pyramid level (FPN) or a
            single one (C4), trained with batch statistics.
        roi_head (dict): An `InsLocRoIHead`.
        neck (dict, optional): Pyramid over the backbone's outputs.
        augmented_levels (sequence[int]): Levels on which the query sees the
            augmented box; the others, and the key, see the exact one.
        queue_length (int): Negatives per level; a multiple of the global
            batch.
        momentum (float): Coefficient of the key encoder's old weights.
        temperature (float): Divisor of the cosines.
        level_weights (sequence[float], optional): Weight of each level's
            loss; None for 1 each. The losses are added, not averaged.
        data_preprocessor (dict, optional): mean and std of RGB.
        init_cfg (dict, optional): Initialisation of the whole model.

    Raises:
        UserError: Levels, weights, channels or bins that do not fit each
            other, or a backbone that keeps its normalisation in evaluation
            mode.
    """

    contact_sheet = staticmethod(box_sheet)

    def __init__(
        self,
        backbone: dict,
        roi_head: dict,
        neck: dict | None = None,
        augmented_levels: Sequence[int] = (3,),
        queue_length: int = 65536,
        momentum: float = 0.999,
        temperature: float = 0.2,
        level_weights: Sequence[float] | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            backbone=backbone,
            neck=neck,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        self.roi_head = MODELS.build(roi_head)
        self.levels = len(self.roi_head.strides)
        self.augmented_levels = frozenset(augmented_levels)
        self.level_weights = tuple(level_weights or [1.0] * self.levels)
        self.temperature = temperature
        self._check()
        self.key_encoder = MomentumEncoder(self._query(), momentum)
        self.queue = FeatureQueue(
            queue_length, self.roi_head.bbox_head.out_channels, self.levels
        )

    def _check(self) -> None:
        source = self.neck if self.with_neck else self.backbone
        outputs = getattr(source, 'num_outs', None) or len(
            getattr(source, 'out_indices', self.roi_head.strides)
        )
        require_same(
            'the number of roi_head.strides',
            self.levels,
            'the number of feature maps',
            outputs,
        )
        require_same(
            'the number of level_weights',
            len(self.level_weights),
            'the number of levels',
            self.levels,
        )
        if not self.augmented_levels <= set(range(self.levels)):
            raise UserError(
                f'InsLoc: augmented_levels {sorted(self.augmented_levels)} '
                f'must be in 0 .. {self.levels - 1}, one per feature map.'
            )
        if self.with_neck and hasattr(self.backbone, 'feat_dim'):
            self._check_neck()
        channels = getattr(source, 'out_channels', None)
        if not self.with_neck and self._ends_last():
            channels = getattr(source, 'feat_dim', channels)
        if isinstance(channels, int):
            require_same(
                "the first head's in_channels",
                self.roi_head.in_channels,
                'the width of the feature maps',
                channels,
            )
        if getattr(self.backbone, 'norm_eval', False):
            raise UserError(
                'InsLoc trains batch normalisation from scratch, but '
                "backbone.norm_eval is True (mmdet's default). Set it to "
                'False.'
            )

    def _check_neck(self) -> None:
        """Compare the pyramid's inputs with the maps of a ResNet."""
        widths, stages = self.neck.in_channels, self.backbone.out_indices
        require_same(
            'the length of neck.in_channels',
            len(widths),
            'the number of backbone.out_indices',
            len(stages),
        )
        if self._ends_last():
            require_same(
                'the last of neck.in_channels',
                widths[-1],
                'the width of the backbone',
                self.backbone.feat_dim,
            )

    def _ends_last(self) -> bool:
        """Whether ``feat_dim``, a ResNet's last width, is of its last map."""
        stages = getattr(self.backbone, 'num_stages', None)
        return stages is None or self.backbone.out_indices[-1] == stages - 1

    def _query(self) -> nn.ModuleDict:
        networks = nn.ModuleDict(dict(backbone=self.backbone))
        if self.with_neck:
            networks['neck'] = self.neck
        networks['roi_head'] = self.roi_head
        return networks

    def init_weights(self) -> None:
        """Initialise the query networks; the key starts as their copy."""
        super().init_weights()
        self.key_encoder.copy_from(self._query())

    def check_batch(self, global_batch: int) -> None:
        """Refuse a global batch that does not divide the queue."""
        self.queue.check_batch(global_batch)

    def check_views(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Refuse views that the coarsest map does not tile."""
        check_stride(max(self.roi_head.strides), sizes)

    def encode(
        self, networks: nn.ModuleDict, images: Tensor, boxes: Sequence[Tensor]
    ) -> Tensor:
        """Embed one box per image and level.

        Args:
            networks (nn.ModuleDict): Query or key networks.
            images (Tensor): Normalised, (N, 3, H, W).
            boxes (sequence[Tensor]): For each level ``xyxy``, (N, 4).

        Returns:
            Tensor: Raw embeddings (N * L, D), row ``sample * L + level``.
        """
        maps = networks['backbone'](images)
        if 'neck' in networks:
            maps = networks['neck'](maps)
        return networks['roi_head'](maps, boxes)

    def _unit(self, raw: Tensor) -> Tensor:
        """Raw (N * L, D) to unit vectors (N, L, D)."""
        return unit(raw).unflatten(0, (-1, self.levels))

    @torch.no_grad()
    def _keys(
        self, images: Tensor, boxes: Tensor, shuffle: BatchShuffle
    ) -> Tensor:
        """Keys of the global batch, (G, L, D), encoded in shuffled order."""
        images, boxes = shuffle.shuffle(images, boxes)
        networks = cast(nn.ModuleDict, self.key_encoder.module)
        raw = self.encode(networks, images, [boxes] * self.levels)
        return shuffle.restore_all(self._unit(raw))

    def loss(
        self, inputs: list[Tensor], data_samples: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """One training step up to the loss; the queue takes the new keys.

        Args:
            inputs (list[Tensor]): Query and key view, (N, 3, H, W) each.
            data_samples (dict[str, Tensor]): With ``boxes`` (N, 2, 4),
                exact ``xyxy`` in each view, and ``augmented_box`` (N, 4) in
                the query view.

        Returns:
            dict[str, Tensor]: ``loss_level*`` and ``accuracy_level*``
            (percent); the sum of the losses is the objective.
        """
        exact = data_samples['boxes']
        augmented = data_samples['augmented_box']
        query = self._unit(
            self.encode(
                self._query(),
                inputs[0],
                [
                    augmented
                    if level in self.augmented_levels
                    else exact[:, 0]
                    for level in range(self.levels)
                ],
            )
        )
        self.key_encoder.update(self._query())  # before the key's forward
        shuffle = BatchShuffle(len(exact), exact.device)
        keys = self._keys(inputs[1], exact[:, 1], shuffle)
        losses, accuracies = level_losses(
            query, shuffle.own(keys), self.queue.snapshot(), self.temperature
        )
        self.queue.enqueue(keys)  # after the losses: no key is its negative
        terms = {}
        for level, weight in enumerate(self.level_weights):
            terms[f'loss_level{level}'] = weight * losses[level]
            terms[f'accuracy_level{level}'] = accuracies[level]
        return terms
