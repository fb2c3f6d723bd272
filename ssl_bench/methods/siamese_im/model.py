"""SiameseIM: predict the dense target of one view from another, masked."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmpretrain.models import BaseSelfSupervisor
from mmpretrain.registry import MODELS
from torch import Tensor, nn

from ssl_bench.errors import UserError
from ssl_bench.layers import MomentumEncoder, mean_over_processes
from ssl_bench.layers.precision import upcast
from ssl_bench.methods.siamese_im.block_mask import AddBlockMask
from ssl_bench.methods.siamese_im.sheet import token_sheet
from ssl_bench.methods.siamese_im.sincos import (
    relative_position,
    relative_sincos,
    sincos_table,
)
from ssl_bench.methods.siamese_im.vit import init_linears, transformer_blocks


def unigrad_dense_loss(
    pred: Tensor,
    target: Tensor,
    neg_weight: float = 0.02,
    normalise_pred: bool = False,
) -> dict[str, Tensor]:
    """Pull predictions to their targets, push them from all others.

    ``pos = mean_n |p_n - t_n|^2``, ``neg = mean_n p_n^T C p_n``, with C the
    correlation of the targets of all processes, (E, E): the pairwise term
    of N tokens in O(N E^2), without an N x N matrix.

    Args:
        pred (Tensor): Predictions, (B, L, E).
        target (Tensor): Targets, (B, L, E), normalised here token by token.
        neg_weight (float): Weight of the negative term.
        normalise_pred (bool): Normalise predictions like targets.

    Returns:
        dict[str, Tensor]: ``loss``, and its parts ``pos`` and ``neg``, all
        divided by E.
    """
    width = pred.shape[-1]
    pred = pred.reshape(-1, width)  # (N, E)
    target = F.layer_norm(target.reshape(-1, width), (width,))  # eps 1e-5
    if normalise_pred:
        pred = F.layer_norm(pred, (width,))
    count = len(pred)
    correlation = mean_over_processes(target.T @ target / count)  # (E, E)
    pos = (pred - target).square().sum() / (count * width)
    neg = ((pred @ correlation) * pred).sum() / (count * width)
    return dict(loss=pos + neg_weight * neg, pos=pos, neg=neg)


@MODELS.register_module()
class SiameseIMProjector(BaseModule):
    """A linear layer to the decoder's width and transformer blocks on top.

    Args:
        in_channels (int): Width of the encoder.
        channels (int): Width of the decoder, E.
        depth (int): Blocks.
        num_heads (int): Heads of a block.
        norm_cfg (dict): ``TokenBN``, the paper's, or ``LN``.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 768,
        depth: int = 2,
        num_heads: int = 16,
        norm_cfg: dict = dict(type='TokenBN', eps=1e-5),
    ) -> None:
        super().__init__()
        self.channels = channels
        self.embed = nn.Linear(in_channels, channels)
        self.blocks = transformer_blocks(depth, channels, num_heads, norm_cfg)

    def init_weights(self) -> None:
        """Xavier for matrices."""
        super().init_weights()
        init_linears(self)

    def forward(self, x: tuple[Tensor]) -> tuple[Tensor]:
        """Tokens (B, T, D) to tokens (B, T, E)."""
        tokens = self.embed(x[-1])
        for block in self.blocks:
            tokens = block(tokens)
        return (tokens,)


@MODELS.register_module()
class SiameseIMPredictor(BaseModule):
    """Predict every token of view 2 from the visible ones of view 1.

    Args:
        channels (int): Width of the decoder, E.
        grid (int): Patches per side of both views.
        depth (int): Blocks.
        num_heads (int): Heads of a block.
        norm_cfg (dict): ``TokenBN``, the paper's, or ``LN``.
    """

    def __init__(
        self,
        channels: int = 768,
        grid: int = 14,
        depth: int = 4,
        num_heads: int = 16,
        norm_cfg: dict = dict(type='TokenBN', eps=1e-5),
    ) -> None:
        super().__init__()
        self.channels, self.grid = channels, grid
        self.register_buffer(
            'pos_embed',
            sincos_table(channels, grid).float()[1:],
            persistent=False,
        )
        self.mask_token = nn.Parameter(torch.zeros(1, 1, channels))
        self.relative_embed = nn.Linear(2 * channels, channels)
        self.blocks = transformer_blocks(depth, channels, num_heads, norm_cfg)
        self.pred = nn.Linear(channels, channels)

    def init_weights(self) -> None:
        """Xavier for matrices."""
        super().init_weights()
        init_linears(self)
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(
        self, tokens: Tensor, visible: Tensor, relative: Tensor
    ) -> Tensor:
        """Tokens of view 1 to predictions at view 2's positions.

        Args:
            tokens (Tensor): cls and visible tokens, (B, 1 + V, E).
            visible (Tensor): Indices of the visible patches, (B, V).
            relative (Tensor): `relative_position`, (B, 6) float32.

        Returns:
            Tensor: (B, grid^2, E).
        """
        code = relative_sincos(relative, self.channels, self.grid)
        asked = self.mask_token + self.relative_embed(code)  # (B, L, E)
        seen = tokens[:, 1:] + self.pos_embed[visible]  # (B, V, E)
        x = torch.cat([tokens[:, :1], seen, asked], dim=1)
        for block in self.blocks:
            x = block(x)
        return self.pred(x[:, -asked.shape[1] :])


@MODELS.register_module()
class SiameseIM(BaseSelfSupervisor):
    """A masked view predicts the dense representation of another view.

    The target encoder is a moving average and sees view 2 whole; view 1 is
    always the online one. Each prediction gets only the place of its patch
    of view 2, relative to view 1.

    Reference: Tao et al., Siamese Image Modeling for Self-Supervised Vision
        Representation Learning, CVPR 2023, arXiv:2206.01204, Sec. 3.
    Published: ViT-B/16, 1600 epochs of ImageNet-1k: 84.1 fine-tuned and 78.0
        linear top-1, COCO 52.1 / 46.2 box / mask AP, ADE20K 51.1 mIoU.
    Parity: golden vectors of the released code.
    Deviations: the negative term is evaluated through the E x E correlation
        instead of an N x N product (equal to round-off); the momentum copy
        of the mask token, which nothing reads, does not exist; under mixed
        precision there is bfloat16 instead of a scaled float16. With
        gradient accumulation the target moves at every micro-step.

    Args:
        backbone (dict): A `SincosViT`.
        neck (dict): A `SiameseIMProjector`; ``in_channels`` is set here.
        head (dict): A `SiameseIMPredictor`; ``channels`` and ``grid`` are
            set here.
        num_masked (int): Patches of view 1 that are dropped.
        momentum (float): First coefficient of the old target weights.
        momentum_schedule (str): ``'cosine'`` (up to 1) or ``'constant'``.
        neg_weight (float): Weight of the negative term.
        normalise_pred (bool): Layer-normalise predictions before the loss.
        data_preprocessor (dict, optional): As mmpretrain.
        init_cfg (dict, optional): As mmpretrain.

    Raises:
        ValueError: Sizes that do not fit each other, with both numbers.
    """

    contact_sheet = staticmethod(token_sheet)

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        num_masked: int = 118,
        momentum: float = 0.995,
        momentum_schedule: str = 'cosine',
        neg_weight: float = 0.02,
        normalise_pred: bool = False,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        vit = MODELS.build(backbone)
        projector = MODELS.build(dict(in_channels=vit.embed_dims, **neck))
        predictor = MODELS.build(
            dict(channels=projector.channels, grid=vit.grid, **head)
        )
        super().__init__(
            vit,
            projector,
            predictor,
            data_preprocessor=data_preprocessor,
            init_cfg=init_cfg,
        )
        patches = vit.grid**2
        if not 0 < num_masked < patches:
            raise ValueError(
                f'num_masked={num_masked} must be between 1 and '
                f'{patches - 1}: a view has {patches} patches.'
            )
        self.num_masked, self.num_visible = num_masked, patches - num_masked
        self.neg_weight, self.normalise_pred = neg_weight, normalise_pred
        self.target = MomentumEncoder(self.online, momentum, momentum_schedule)

    @property
    def online(self) -> nn.Sequential:
        """What the target follows: encoder and projector."""
        return nn.Sequential(self.backbone, self.neck)

    def init_weights(self) -> None:
        """Initialise, then start the target at the online weights."""
        super().init_weights()
        self.target.copy_from(self.online)

    def check_data(self, transforms: Sequence) -> None:
        """Refuse masks of another number of patches than the model drops.

        A step does not look: to count masks on the device, it would wait.

        Args:
            transforms (sequence): The built transforms of the data.

        Raises:
            UserError: There is no `AddBlockMask`, or numbers or grids differ.
        """
        patches = self.num_masked + self.num_visible
        steps = [one for one in transforms if isinstance(one, AddBlockMask)]
        if not steps:
            raise UserError(
                'SiameseIM needs AddBlockMask, or a class that inherits from '
                'it, in train_dataloader.dataset.pipeline.'
            )
        for step in steps:
            masked, of = step.draw.masked, step.draw.grid**2
            if (masked, of) != (self.num_masked, patches):
                raise UserError(
                    f'the model was built for num_masked={self.num_masked} '
                    f'of {patches} patches, the data mask {masked} of {of}; '
                    'change model.num_masked, or size, patch_size and ratio '
                    'of AddBlockMask, so that they agree.'
                )

    def visible_patches(self, mask: Tensor) -> Tensor:
        """Indices of the patches not masked, in raster order.

        Args:
            mask (Tensor): (B, grid, grid), True where masked, with exactly
                ``num_masked`` of them.

        Returns:
            Tensor: (B, V) int64.
        """
        order = mask.flatten(1).to(torch.uint8).argsort(dim=1, stable=True)
        return order[:, : self.num_visible]

    def predict(self, view: Tensor, mask: Tensor, relative: Tensor) -> Tensor:
        """Online branch: masked view 1 (B, 3, H, W) to (B, L, E)."""
        visible = self.visible_patches(mask)
        tokens = self.neck(self.backbone(view, visible))[0]
        return self.head(tokens, visible, relative)

    def terms(
        self, view1: Tensor, view2: Tensor, mask: Tensor, relative: Tensor
    ) -> dict[str, Tensor]:
        """Both branches and the loss.

        In training the target moves after the online branch has run.

        Args:
            view1 (Tensor): (B, 3, H, W).
            view2 (Tensor): (B, 3, H, W).
            mask (Tensor): (B, grid, grid), True where view 1 is dropped.
            relative (Tensor): `relative_position`, (B, 6) float32.

        Returns:
            dict[str, Tensor]: As `unigrad_dense_loss`.
        """
        pred = self.predict(view1, mask, relative)
        if self.training:
            self.target.update(self.online)
        target = self.target(view2)[0][:, 1:]  # no cls
        with torch.autocast(pred.device.type, enabled=False):
            return unigrad_dense_loss(
                upcast(pred),
                upcast(target),
                self.neg_weight,
                self.normalise_pred,
            )

    def loss(
        self, inputs: list[Tensor], data_samples: dict[str, Tensor], **kwargs
    ) -> dict[str, Tensor]:
        """Two views, (B, 3, H, W) each, to the loss and its two terms.

        ``data_samples`` has ``crops``, ``flips``, ``source_size`` and
        ``mask``.
        """
        mask = data_samples['mask']
        relative = relative_position(
            data_samples['crops'],
            data_samples['flips'],
            data_samples['source_size'],
        )
        relative = relative.to(upcast(inputs[0]).dtype)
        terms = self.terms(inputs[0], inputs[1], mask, relative)
        return dict(
            loss=terms['loss'],
            positive=terms['pos'].detach(),
            negative=terms['neg'].detach(),
        )
