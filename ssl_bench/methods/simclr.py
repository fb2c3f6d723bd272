"""SimCLR with the released program's loss and gradient."""

import torch
import torch.nn.functional as F
from mmengine.dist import get_rank
from mmpretrain.models import SimCLR as MMPretrainSimCLR
from mmpretrain.registry import MODELS
from torch import Tensor

from ssl_bench.layers.collectives import gather_with_gradient
from ssl_bench.layers.precision import upcast


def contrast_views(z1: Tensor, z2: Tensor, temperature: float) -> Tensor:
    """Cross entropy of both directions (NT-Xent), summed, mean over samples.

    The candidates of a view are the other view's sample and all other
    samples of both views, of all processes; the gradient reaches them. The
    mean of the losses of all processes is the loss of the joined batch, and
    so is its gradient after data-parallel averaging.

    Args:
        z1 (Tensor): Embeddings of view 1 on this process, (N, D).
        z2 (Tensor): The same of view 2.
        temperature (float): Divisor of the cosines.

    Returns:
        Tensor: The loss, ().
    """
    z1, z2 = (F.normalize(upcast(z), dim=1) for z in (z1, z2))
    all1, all2 = gather_with_gradient(z1), gather_with_gradient(z2)  # (G, D)
    own = torch.arange(len(z1), device=z1.device) + get_rank() * len(z1)
    itself = F.one_hot(own, len(all1)).bool()  # (N, G)
    loss = z1.new_zeros(())
    for z, same, other in ((z1, all1, all2), (z2, all2, all1)):
        positives = z @ other.T / temperature
        negatives = (z @ same.T / temperature).masked_fill(itself, -torch.inf)
        logits = torch.cat([positives, negatives], 1)  # (N, 2 G)
        loss = loss + F.cross_entropy(logits, own)
    return loss


@MODELS.register_module('PaperSimCLR')
class SimCLR(MMPretrainSimCLR):
    """Tell an image's other view from all other views of a large batch.

    Both views pass one network; the normalised temperature-scaled cross
    entropy takes the rest of the batch, of all processes, as negatives. The
    parts are mmpretrain's; the loss differs.

    Reference: Chen, Kornblith, Norouzi, Hinton, A Simple Framework for
        Contrastive Learning of Visual Representations, ICML 2020,
        arXiv:2002.05709, Eq. 1.
    Published: ResNet-50, 1000 epochs of batch 4096, linear top-1 69.3.
    Parity: golden vectors of the released code (loss, gradient, LARS).
    Deviations: of mmpretrain's model, the loss is half of the released one
        and its gradient on P processes 1/(2P); here both are the released
        ones. The released code feeds 0..1; here images are normalised, as
        the transfer tasks expect, and the first norm absorbs it. Its crops
        cover at least a tenth of the image in up to 100 tries (10 here). Its
        contrast is about the mean of each channel, saturation and hue are in
        HSV, and the blur has one deviation for each process and view; here
        they are torchvision's and PIL's, for each image. An epoch
        has 312 steps (312.8 there, where batches go on into the next one).

    Its arguments are those of `mmpretrain.models.SimCLR`. The loss of ``head``
    is not used, its temperature is. The last norm of ``neck`` keeps its shift
    at zero.
    """

    def __init__(self, backbone: dict, neck: dict, head: dict, **kwargs):
        super().__init__(backbone=backbone, neck=neck, head=head, **kwargs)
        last = getattr(self.neck, self.neck.bn_names[-1] or 'bn0')
        if last.bias is not None:
            last.bias.requires_grad_(False)

    def loss(self, inputs: list, data_samples: list, **kwargs) -> dict:
        """Two views (N, 3, H, W) to the loss; one pass for both."""
        z = self.neck(self.backbone(torch.cat(inputs)))[0]  # (2 N, D)
        z1, z2 = z.chunk(2)
        with torch.autocast(z.device.type, enabled=False):
            loss = contrast_views(z1, z2, self.head.temperature)
        return dict(loss=loss)
