"""What the detectors of the protocols have and mmdet's do not."""

from mmcv.cnn import build_norm_layer
from mmdet.models import FCNMaskHead, Shared4Conv1FCBBoxHead
from mmdet.models.backbones import ResNet
from mmdet.models.layers import ResLayer
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ssl_bench.toolbox import (  # noqa: F401  registers
    coco_scores,
    instances,
    matching,
    voc,
)


@MODELS.register_module()
class Res5WithNorm(BaseModule):
    """The fourth stage as per-RoI network, and one norm after it.

    Reference: He et al., CVPR 2020, appendix A.3 (the extra norm is
    after conv5 in the fine-tuning of R50-C4), Detectron2's ``Res5ROIHeads``.
    Deviations from mmdet's ``ResLayer``: the norm, `base_channels`, and
    batch norm that trains unless ``norm_eval``.

    Args:
        depth (int): Of the residual network.
        base_channels (int): Channels of its first stage.
        stride (int): Of the stage's first block.
        dilation (int): Of its 3x3 convolutions.
        style (str): ``pytorch``, stride in the 3x3 convolution, or
            ``caffe``, in the first 1x1.
        norm_cfg (dict): Type of every norm.
        norm_eval (bool): Keep batch norm in evaluation mode.
        stage (int): Always 3, counted from 0; mmdet's configs name it.
        init_cfg (dict, optional): Initialisation of the weights.
    """

    def __init__(
        self,
        depth: int,
        base_channels: int = 64,
        stride: int = 2,
        dilation: int = 1,
        style: str = 'pytorch',
        norm_cfg: dict = dict(type='BN', requires_grad=True),
        norm_eval: bool = False,
        stage: int = 3,
        init_cfg=None,
    ) -> None:
        super().__init__(
            init_cfg
            or [
                dict(type='Kaiming', layer='Conv2d'),
                dict(
                    type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']
                ),
            ]
        )
        block, blocks = ResNet.arch_settings[depth]
        planes = base_channels * 8
        self.layer4 = ResLayer(
            block,
            planes // 2 * block.expansion,
            planes,
            blocks[stage],
            stride=stride,
            dilation=dilation,
            style=style,
            norm_cfg=norm_cfg,
        )
        self.norm = build_norm_layer(norm_cfg, planes * block.expansion)[1]
        self.norm_eval = norm_eval

    def forward(self, x: Tensor) -> Tensor:
        """RoI features (R, C, 14, 14) to (R, 2C, 7, 7)."""
        return self.norm(self.layer4(x))

    def train(self, mode: bool = True) -> 'Res5WithNorm':
        """Set the mode; with ``norm_eval`` batch norm stays as it is."""
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self


@MODELS.register_module()
class Detectron2MaskHead(FCNMaskHead):
    """mmdet's mask head, its logits near 0 at first.

    Reference: Detectron2's ``MaskRCNNConvUpsampleHead``: the last convolution
        starts from a normal distribution of deviation 0.001, in mmdet from
        Kaiming's. All else is equal.
    """

    def init_weights(self) -> None:
        """mmdet's, and the last convolution's."""
        super().init_weights()
        nn.init.normal_(self.conv_logits.weight, std=0.001)


@MODELS.register_module()
class InsLocBoxHead(Shared4Conv1FCBBoxHead):
    """4conv1fc with one more norm after the ReLU of the linear layer.

    Reference: Yang et al., CVPR 2021, released detection code; used in
        InsLoc's own rows of the FPN tables only.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        norm = dict(self.norm_cfg)
        if norm['type'] == 'BN':  # that name is the two-dimensional one
            norm['type'] = 'BN1d'
        self.fc_norm = build_norm_layer(norm, self.fc_out_channels)[1]

    def forward(self, x: Tensor) -> tuple:
        """RoI features (R, C, 7, 7) to class scores and box deltas."""
        for conv in self.shared_convs:
            x = conv(x)
        x = x.flatten(1)
        for linear in self.shared_fcs:
            x = self.relu(linear(x))
        x = self.fc_norm(x)  # (R, D)
        return self.fc_cls(x), self.fc_reg(x)
