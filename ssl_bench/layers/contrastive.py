"""The contrastive loss with a queue of negatives."""

import torch
import torch.nn.functional as F
from torch import Tensor


def info_nce(
    query: Tensor, key: Tensor, negatives: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """Tell each query's own key from the negatives (MoCo, Eq. 1).

    Cross-entropy of ``[q.k, q.negatives] / temperature`` with the first entry
    as the class, in full precision also under autocast.

    Args:
        query (Tensor): Unit vectors, (N, D).
        key (Tensor): Unit vectors, the positive of each query, (N, D).
        negatives (Tensor): Unit columns shared by all queries, (D, K).
        temperature (float): Divisor of the cosines.

    Returns:
        tuple[Tensor, Tensor]: The loss of each query, (N,), and the share of
        queries nearer to their key than to every negative, in percent, ().
    """
    with torch.autocast(query.device.type, enabled=False):
        query, key = query.to(negatives.dtype), key.to(negatives.dtype)
        positive = (query * key).sum(1, keepdim=True)  # (N, 1)
        logits = torch.cat([positive, query @ negatives], 1) / temperature
        target = logits.new_zeros(len(logits), dtype=torch.long)
        losses = F.cross_entropy(logits, target, reduction='none')  # (N,)
        correct = logits.argmax(1) == 0
    return losses, correct.to(losses.dtype).sum() * (100 / len(logits))
