"""LEWEL: learn where to look when two views are compared."""

from collections.abc import Sequence

import torch
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.layers import (
    BatchShuffle,
    FeatureQueue,
    MomentumEncoder,
    info_nce,
)
from ssl_bench.layers.dense_heads import (
    DenseMLP,
    check_channels,
    check_stride,
    total_stride,
)
from ssl_bench.layers.precision import unit
from ssl_bench.methods.lewel.alignment import HEAD_INIT
from ssl_bench.methods.lewel.sheet import map_sheet

Pair = tuple[Tensor, Tensor]


def regression_distance(prediction: Tensor, target: Tensor) -> Tensor:
    """``2 - 2 cos``, averaged over samples and maps, in 0..4.

    Args:
        prediction, target (Tensor): (N, K, M); M is 1 for the global pair.
    """
    return 2 - 2 * (unit(prediction) * unit(target)).sum(1).mean()


def contrast_aligned(
    query: Tensor, key: Tensor, negatives: Tensor, temperature: float
) -> Tensor:
    """InfoNCE of each map's embedding with the key's of the same map.

    Args:
        query, key (Tensor): Unit over channels, (N, K, M) each.
        negatives (Tensor): Unit columns, one set per map (M, K, Q), or one
            set for all maps (K, Q).
        temperature (float): Divisor of the cosines.

    Returns:
        Tensor: Loss of each map, averaged over the samples, (M,).
    """
    shared = negatives.ndim == 2
    return torch.stack(
        [
            info_nce(
                query[..., j],
                key[..., j],
                negatives if shared else negatives[j],
                temperature,
            )[0].mean()
            for j in range(query.shape[2])
        ]
    )


@MODELS.register_module()
class LEWEL(BaseSelfSupervisor):
    """Compare two views globally and part by part, at learnt parts.

    The projection head of the global embedding, applied to every position,
    yields maps that gather aligned embeddings; global and aligned embeddings
    of one view predict (LEWEL_B) or are contrasted with (LEWEL_M) those of
    the other view, encoded by a moving average.

    Reference: Huang, You, Zheng, Wang, Qian, Yamasaki, CVPR 2022,
        arXiv:2203.14898, Sec. 3; the released code of LEWEL_B.
    Published: ImageNet linear top-1 71.9 / 72.8 (B, EMAN, 100 / 200 epochs)
        and 73.8 (B, SyncBN, 400 epochs), COCO FPN 1x box AP 41.3 (B, EMAN,
        200 epochs), R-50.
    Parity: B: golden vectors of the released code; M: a reading of the
        paper.
    Deviations: B: none. Its target is updated at the start of the next
        training step, which equals the released update after the optimiser's
        step. M: not released. Its details are a reading of the paper: MoCo
        v2's losses on LEWEL_B's neck, no predictors, view 1 as query, view 2
        as key, the key image's embedding j as the positive of query j, and
        a queue of its own for every map. Both: under gradient accumulation
        the target moves at every backward pass.

    Args:
        backbone (dict): Its last output is used, not pooled.
        neck (dict): A `LEWELNeck`.
        base (str): ``'byol'`` (LEWEL_B) or ``'moco'`` (LEWEL_M).
        loss_weight (float): Weight of the global loss; the aligned loss has
            the rest up to 1.
        momentum (float): Coefficient of the target's old weights; rises to 1
            by a cosine in LEWEL_B, constant in LEWEL_M.
        eman (bool): LEWEL_B: whether the target's running statistics are
            averages of the online ones, which it then normalises with.
        predictor_hid_channels (int): LEWEL_B: hidden channels.
        temperature (float): LEWEL_M: divisor of the cosines.
        queue_len (int): LEWEL_M: keys, a multiple of the global batch.
        queue (str): LEWEL_M: ``'per_map'``, or ``'shared'`` by all maps and
            fed with their mean.

    Raises:
        UserError: Unknown base or queue, channels that do not fit, a weight
            outside 0..1, or averaged statistics with LEWEL_M.
    """

    contact_sheet = staticmethod(map_sheet)

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        base: str = 'byol',
        loss_weight: float = 0.5,
        momentum: float = 0.996,
        eman: bool = False,
        predictor_hid_channels: int = 4096,
        temperature: float = 0.2,
        queue_len: int = 65536,
        queue: str = 'per_map',
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        norm_cfg = neck.get('norm_cfg', dict(type='BN'))
        super().__init__(
            backbone=backbone,
            neck=dict(type='LEWELNeck') | neck,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        check_channels(self.backbone, self.neck.in_channels, 'neck')
        if base not in ('byol', 'moco'):
            raise unknown_name('LEWEL base', base, ('byol', 'moco'))
        if queue not in ('per_map', 'shared'):
            raise unknown_name('LEWEL queue', queue, ('per_map', 'shared'))
        if not 0 <= loss_weight <= 1:
            raise UserError(
                f'LEWEL needs loss_weight in 0..1, got {loss_weight}.'
            )
        if eman and base == 'moco':
            raise UserError("LEWEL: eman=True needs base='byol', got 'moco'.")
        self.base, self.weight = base, loss_weight
        self.target = MomentumEncoder(
            self.online,
            momentum,
            'cosine' if base == 'byol' else 'constant',
            'average' if eman else 'own',
            evaluate=eman,
        )
        width = self.neck.out_channels
        if base == 'byol':
            self.predictor, self.predictor_obj = (
                DenseMLP(
                    width,
                    predictor_hid_channels,
                    width,
                    bias=False,
                    norm_cfg=norm_cfg,
                    init_cfg=HEAD_INIT,
                )
                for _ in range(2)
            )
            self.register_buffer('pending', torch.zeros((), dtype=torch.bool))
            self._pending = False  # its value, without asking the device
        else:
            self.temperature, self.shared = temperature, queue == 'shared'
            self.queue_global = FeatureQueue(queue_len, width)
            self.queue_aligned = FeatureQueue(
                queue_len, width, None if self.shared else self.neck.num_maps
            )

    @property
    def online(self) -> nn.Module:
        """The modules that the target follows."""
        return nn.Sequential(self.backbone, self.neck)

    def check_views(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Refuse views whose last positions would look at padding only.

        Up to half a cell of padding is accepted, as in `PixPro`.
        """
        check_stride(total_stride(self.backbone), sizes, slack=0.5)

    def init_weights(self) -> None:
        """Initialise, then start the target as an exact copy."""
        super().init_weights()
        self.target.copy_from(self.online)

    def loss(
        self, inputs: list[Tensor], data_samples: dict[str, Tensor], **kwargs
    ) -> dict[str, Tensor]:
        """Two views, (B, 3, H, W) each, to the two weighted losses."""
        step = self._loss_b if self.base == 'byol' else self._loss_m
        whole, aligned = step(inputs)
        return dict(
            loss_global=self.weight * whole,
            loss_aligned=(1 - self.weight) * aligned,
        )

    def update_target(self) -> None:
        """Move LEWEL_B's target; once after every optimiser step.

        The next training step does it if the caller has not.
        """
        self.target.update(self.online)
        self.pending.fill_(False)
        self._pending = False

    def _loss_b(self, inputs: list[Tensor]) -> Pair:
        """Both directions of the regression, global and aligned."""
        if self.training:
            if self._pending:
                self.update_target()
            self.pending.fill_(True)
            self._pending = True
        online = [self.online(view) for view in inputs]
        targets = [self.target(view) for view in inputs]
        predictions = [
            (self.predictor(z), self.predictor_obj(a)) for z, a in online
        ]

        def distance(part: int) -> Tensor:
            first, second = (
                regression_distance(prediction[part], target[part])
                for prediction, target in zip(predictions, targets[::-1])
            )
            return first + second

        return distance(0), distance(1)

    def _loss_m(self, inputs: list[Tensor]) -> Pair:
        """View 1 against view 2 and the queues, global and aligned."""
        query, aligned = (unit(z) for z in self.online(inputs[0]))
        shuffle, key, key_aligned = self._keys(inputs[1])
        whole = info_nce(
            query[..., 0],
            shuffle.own(key)[..., 0],
            self.queue_global.snapshot(),
            self.temperature,
        )[0].mean()
        parts = contrast_aligned(
            aligned,
            shuffle.own(key_aligned),
            self.queue_aligned.snapshot(),
            self.temperature,
        ).mean()
        if self.training:
            self.queue_global.enqueue(key[..., 0])
            self.queue_aligned.enqueue(
                unit(key_aligned.mean(2))
                if self.shared
                else key_aligned.transpose(1, 2)
            )
        return whole, parts

    @torch.no_grad()
    def _keys(self, view: Tensor) -> tuple[BatchShuffle, Tensor, Tensor]:
        """Unit keys of all processes, encoded on shuffled batches."""
        if self.training:
            self.target.update(self.online)
        shuffle = BatchShuffle(len(view), view.device)
        whole, aligned = self.target(*shuffle.shuffle(view))
        return (
            shuffle,
            shuffle.restore_all(unit(whole)),
            shuffle.restore_all(unit(aligned)),
        )

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if self.base == 'byol':
            self._pending = bool(self.pending)
