"""BYOL, with mmpretrain's parts and a step that never waits."""

from mmpretrain.models import BYOL as MMPretrainBYOL
from mmpretrain.registry import MODELS
from torch import nn

from ssl_bench.layers.momentum import CountedAverage


@MODELS.register_module('PaperBYOL')
class BYOL(MMPretrainBYOL):
    """Predict a moving-average network's embedding of the other view.

    There are no negatives: a predictor on the online side and the slow target
    prevent equal embeddings. Cosine distance, both directions.

    The parts are mmpretrain's; here the host counts the updates.

    Reference: Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020,
        arXiv:2006.07733.
    Parity: golden vectors of the released code (loss, LARS, schedules).
    Deviations: the loss is lower by the constant 4. mmpretrain copies the
        online network's running statistics into the target (paper: the
        target's own); it normalises with those of its batch, so that no loss
        depends on them. The target starts as a copy (there: of random weights
        of its own) and is updated before the step, not after it. Colours are
        torchvision's; there, brightness adds, contrast is about the mean of
        each channel, saturation and hue are in HSV. A crop is drawn up to ten
        times (there: once, and cut to the image). An epoch has 312 steps
        (there 312.8). The recipe of 200 epochs is not one of the paper's.

    Its arguments are those of `mmpretrain.models.BYOL`.
    """

    def __init__(
        self,
        backbone: dict,
        neck: dict,
        head: dict,
        base_momentum: float = 0.004,
        **kwargs,
    ) -> None:
        super().__init__(
            backbone, neck, head, base_momentum=base_momentum, **kwargs
        )
        self.target_net = CountedAverage(
            nn.Sequential(self.backbone, self.neck), base_momentum, cosine=True
        )
