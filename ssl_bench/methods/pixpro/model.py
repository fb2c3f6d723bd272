"""PixPro: the same place, seen in two crops, has one representation."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.errors import UserError
from ssl_bench.layers.dense_heads import (
    DenseMLP,
    check_channels,
    check_stride,
    total_stride,
)
from ssl_bench.layers.momentum import MomentumEncoder
from ssl_bench.layers.precision import unit, upcast
from ssl_bench.methods.pixpro.pixel_grid import (
    pixel_distances,
    view_coordinates,
)
from ssl_bench.methods.pixpro.sheet import match_sheet

# offset of the code where the exponent is below 1 and 0 has no derivative
_EPS_POWER = 1e-6
_EPS_COUNT = 1e-6


def consistency_loss(
    q: Tensor,
    k: Tensor,
    coords_q: Tensor,
    coords_k: Tensor,
    threshold: float = 0.7,
) -> Tensor:
    """Minus twice the mean cosine of matched positions (one direction).

    Args:
        q, k (Tensor): Unit vectors of query and key, (N, C, H, W) each.
        coords_q, coords_k (Tensor): Of `crop_coordinates`, (N, 4) each.
        threshold (float): Largest distance of a matched pair, exclusive.

    Returns:
        Tensor: Scalar; an image without a matched pair contributes 0.
    """
    size = (q.shape[2], q.shape[3])
    distance = pixel_distances(coords_q, coords_k, size)
    matched = (distance < threshold).float()  # (N, n, n)
    cosine = upcast(q.flatten(2).transpose(1, 2) @ k.flatten(2))
    count = matched.sum((1, 2)) + _EPS_COUNT
    return -2 * ((cosine * matched).sum((1, 2)) / count).mean()


def instance_loss(prediction: Tensor, target: Tensor) -> Tensor:
    """Minus twice the mean cosine of pooled maps (one direction).

    Args:
        prediction, target (Tensor): Maps (N, C, H, W), not normalised.
    """
    p, z = (unit(upcast(x).mean((2, 3))) for x in (prediction, target))
    return -2 * (p * z).sum(1).mean()


@MODELS.register_module()
class PixelPropagation(BaseModule):
    """Each position becomes the similarity-weighted sum of its image.

    ``y_i = sum_j max(cos(x_i, x_j), clamp)^exponent g(x_j) / |g(x_j)|``
    (Sec. 3.3, Eq. 5 and 6; the norm of g is in the code only).

    Args:
        channels (int): C of the input and output.
        num_layers (int): Convolutions of the transform g; 0 is the identity.
        exponent (float): Sharpness of the similarity.
        clamp (float): Lowest cosine.
        norm_cfg (dict): Norm layers of g, from two layers on.

    Raises:
        ValueError: An exponent that is not positive, a clamp outside [0, 1].
    """

    def __init__(
        self,
        channels: int,
        num_layers: int = 1,
        exponent: float = 2.0,
        clamp: float = 0.0,
        norm_cfg: dict = dict(type='BN'),
    ) -> None:
        super().__init__()
        if exponent <= 0 or not 0 <= clamp <= 1:
            raise ValueError(
                'PixelPropagation needs exponent > 0 and 0 <= clamp <= 1, '
                f'got exponent {exponent} and clamp {clamp}.'
            )
        self.exponent, self.clamp = exponent, clamp
        self.transform = DenseMLP(
            channels, channels, channels, num_layers, norm_cfg=norm_cfg
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same, not normalised."""
        value = unit(self.transform(x)).flatten(2)  # (N, C, n)
        u = unit(x).flatten(2)
        similarity = upcast(u.transpose(1, 2) @ u)  # (N, n, n)
        similarity = similarity.clamp(min=self.clamp)
        if self.exponent < 1:
            similarity = similarity + _EPS_POWER
        similarity = similarity.pow(self.exponent)
        return (value @ similarity.transpose(1, 2)).reshape(x.shape)


def schedule_steps(
    num_images: int, world: int, batch: int, epochs: int, start_epoch: int = 1
) -> tuple[int, int]:
    """Length of the momentum schedule and its first step, as released.

    Both come from the image count without dropping the last batch, so the
    schedule is a little longer than the run and ends just below 1.

    Args:
        num_images (int): Images of the training set.
        world (int): Processes.
        batch (int): Images per process and step.
        epochs (int): Length of the run.
        start_epoch (int): First epoch, counted from 1.
    """
    per_epoch = num_images / world / batch
    return int(per_epoch * epochs), int(per_epoch * (start_epoch - 1))


class PixelBranch(nn.Module):
    """Backbone and projectors: what the momentum branch is a copy of."""

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        instance_neck: nn.Module | None,
    ) -> None:
        super().__init__()
        self.backbone, self.neck = backbone, neck
        self.instance_neck = instance_neck

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 3, H, W) to the pixel map and, if any, the instance map."""
        features = self.backbone(view)[-1]
        if self.instance_neck is None:
            return self.neck(features), None
        return self.neck(features), self.instance_neck(features)


@MODELS.register_module()
class PixPro(BaseSelfSupervisor):
    """Predict, from its surroundings, how a place looks in another crop.

    Every position of one view's feature map, smoothed over similar positions
    by the propagation module, is pulled to the positions of the other view,
    encoded by a moving average, that show the same place of the image.

    Reference: Xie, Lin, Zhang, Cao, Lin, Hu, CVPR 2021, arXiv:2011.10043,
        Sec. 3.2 and 3.3; the released code.
    Published: VOC07+12 C4 AP 58.8 / 60.2 after 100 / 400 epochs of ImageNet,
        COCO FPN 1x box AP 40.8 / 41.4, R-50.
    Parity: golden vectors of the released code.
    Deviations: none from the released code, which differs from the paper by
        a factor 2 in each direction, by ``<`` instead of ``<=``, by
        normalised values in the propagation, by counting pairs of views
        without overlap as zeros instead of leaving them out, and by an
        instance loss of BYOL's kind. The step of the momentum schedule is
        saved with the weights (the released code restarts it on resuming),
        a side of one pixel does not divide by zero, and the instance branch
        pools the whole map at any size. That schedule is as long as
        the run, which drops incomplete batches: 125 100 steps in the paper's
        100 epochs, where the released code counts 125 113 (`schedule_steps`,
        for ``momentum_steps``). Under gradient accumulation the branch moves
        at every backward pass.

    Args:
        backbone (dict): Its last output is used, not pooled.
        neck (dict): Projector, a `DenseMLP`.
        propagation (dict, optional): Arguments of `PixelPropagation` but
            ``channels``; None for the identity.
        threshold (float): Largest distance of a matched pair, in units of
            the larger bin diagonal, exclusive.
        momentum (float): Coefficient of the old weights at the first step.
        momentum_steps (int, optional): Steps over which it rises to 1, see
            `schedule_steps`; by default those of the run.
        instance_weight (float): Weight of the instance loss; 0 leaves its
            heads out.
        instance_hid_channels (int): Hidden channels of the instance
            predictor; its projector has the sizes of ``neck``.

    Raises:
        UserError: Channels that do not fit, a negative instance weight, or a
            run longer than ``momentum_steps``.
    """

    contact_sheet = staticmethod(match_sheet)

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        propagation: dict | None = dict(),
        threshold: float = 0.7,
        momentum: float = 0.99,
        momentum_steps: int | None = None,
        instance_weight: float = 0.0,
        instance_hid_channels: int = 4096,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        neck = dict(type='DenseMLP', **neck) if 'type' not in neck else neck
        super().__init__(
            backbone=backbone,
            neck=neck,
            init_cfg=init_cfg,
            data_preprocessor=data_preprocessor,
        )
        check_channels(self.backbone, neck['in_channels'], 'neck')
        if instance_weight < 0:
            raise UserError(
                f'PixPro needs instance_weight >= 0, got {instance_weight}.'
            )
        width = self.neck.out_channels
        self.propagation = (
            nn.Identity()
            if propagation is None
            else PixelPropagation(width, **propagation)
        )
        self.threshold = threshold
        self.momentum_steps = momentum_steps
        self.instance_weight = instance_weight
        self.instance_neck: nn.Module | None = None
        self.predictor: nn.Module | None = None
        if instance_weight:
            self.instance_neck = MODELS.build(neck)
            self.predictor = DenseMLP(
                width,
                instance_hid_channels,
                width,
                norm_cfg=neck.get('norm_cfg', dict(type='BN')),
            )
        self.target = MomentumEncoder(self.online, momentum, 'cosine')

    @property
    def online(self) -> PixelBranch:
        """The modules that the momentum branch follows."""
        return PixelBranch(self.backbone, self.neck, self.instance_neck)

    def check_views(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Refuse views whose positions are not where the loss assumes them.

        The loss divides a view evenly between the positions of the map. Where
        the view is not a multiple of the stride, the positions are shifted.
        Up to half a cell at the view's end, the shift is less than the
        threshold. Both maps have the same positions.
        """
        check_stride(total_stride(self.backbone), sizes, slack=0.5)
        if len(set(sizes)) > 1:
            got = ' and '.join(f'{h} x {w}' for h, w in sorted(set(sizes)))
            raise UserError(
                f'{type(self).__name__} needs views of one size, '
                f'got {got}. Give every view the same size.'
            )

    def init_weights(self) -> None:
        """Initialise, then start the momentum branch as an exact copy."""
        super().init_weights()
        self.target.copy_from(self.online)

    def loss(
        self, inputs: list[Tensor], data_samples: dict[str, Tensor], **kwargs
    ) -> dict[str, Tensor]:
        """Both directions between two views, (B, 3, H, W) each.

        The momentum branch moves after the online passes and before its own,
        in training mode only.
        """
        coords = view_coordinates(data_samples).to(inputs[0].device)
        c1, c2 = coords[:, 0], coords[:, 1]
        (q1, whole1), (q2, whole2) = (self.online(view) for view in inputs)
        if self.training:
            self._move_target()
        (k1, key1), (k2, key2) = (self.target(view) for view in inputs)
        losses = dict(
            loss_pixel=self.direction(q1, k2, c1, c2)
            + self.direction(q2, k1, c2, c1)
        )
        if self.predictor is not None:
            losses['loss_instance'] = self.instance_weight * (
                instance_loss(self.predictor(whole1), key2)
                + instance_loss(self.predictor(whole2), key1)
            )
        return losses

    def direction(
        self, q: Tensor, k: Tensor, coords_q: Tensor, coords_k: Tensor
    ) -> Tensor:
        """Loss of one view's online map against the other's target map."""
        return consistency_loss(
            unit(self.propagation(q)),
            unit(k),
            coords_q,
            coords_k,
            self.threshold,
        )

    def _move_target(self) -> None:
        if self.momentum_steps is not None:
            run = self.target.total_steps or self.momentum_steps
            if run > self.momentum_steps:
                raise UserError(
                    f'the run has {run} steps, but momentum_steps='
                    f'{self.momentum_steps} lets the momentum reach 1 before '
                    'its end. Set model.momentum_steps to the steps of the '
                    'run, or to None.'
                )
            self.target.set_total_steps(self.momentum_steps)
        self.target.update(self.online)
