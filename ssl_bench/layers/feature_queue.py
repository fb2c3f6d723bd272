"""A first-in first-out store of keys, one matrix per level."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_bench.errors import UserError


def check_queue(
    length: int,
    batch: int,
    setting: str = 'the queue length',
    items: str = 'keys',
) -> None:
    """Refuse a global batch that does not divide a queue.

    Args:
        length (int): Entries of the queue.
        batch (int): Images per process times processes.
        setting (str): What the user can change.
        items (str): What the entries are called.

    Raises:
        UserError: ``length`` is not a multiple of ``batch``.
    """
    if not 0 < batch <= length or length % batch:
        raise UserError(
            f'a queue of {length} {items} is not a multiple of the global '
            f'batch of {batch}. Change {setting} or the batch (images per '
            'process times processes) so that it divides.'
        )


@torch.no_grad()
def overwrite_oldest(features: Tensor, pointer: Tensor, keys: Tensor) -> None:
    """Put new columns in the places of the oldest, without waiting.

    Args:
        features (Tensor): The queue, (..., dim, K), changed in place.
        pointer (Tensor): The oldest column, (1,); moves on.
        keys (Tensor): (G, ..., dim); G divides K.

    Raises:
        UserError: It does not.
    """
    batch, length = len(keys), features.shape[-1]
    check_queue(length, batch)
    columns = torch.arange(batch, device=features.device)
    columns = (pointer + columns) % length  # (G,)
    features.index_copy_(-1, columns, keys.movedim(0, -1).to(features.dtype))
    pointer.add_(batch).remainder_(length)


class FeatureQueue(nn.Module):
    """Keys of earlier batches, the negatives of a contrastive loss.

    Contents and pointer are buffers, so that a resumed run continues with
    them. Each column starts as a Gaussian vector of unit length. All levels
    share the pointer. Nothing here waits for the device.

    Args:
        length (int): Columns, K; a multiple of the global batch.
        dim (int): Width of a key.
        levels (int, optional): How many matrices; None for one matrix
            without a level axis.
    """

    features: Tensor
    pointer: Tensor

    def __init__(
        self, length: int, dim: int, levels: int | None = None
    ) -> None:
        super().__init__()
        self.length = length
        leading = () if levels is None else (levels,)
        features = torch.randn(*leading, dim, length)
        self.register_buffer('features', F.normalize(features, dim=-2))
        self.register_buffer('pointer', torch.zeros(1, dtype=torch.long))

    def check_batch(self, batch: int) -> None:
        """Refuse a global batch that does not divide the queue.

        Raises:
            UserError: ``length`` is not a multiple of ``batch``.
        """
        check_queue(self.length, batch)

    def enqueue(self, keys: Tensor) -> None:
        """Overwrite the oldest columns.

        Args:
            keys (Tensor): The keys of all processes, rank-major,
                (G, dim), or (G, levels, dim) when the queue has levels.

        Raises:
            UserError: G does not divide the length.
            ValueError: Keys of another shape.
        """
        wanted = self.features.shape[:-1]
        if keys.shape[1:] != wanted:
            raise ValueError(
                f'FeatureQueue takes keys (G, {", ".join(map(str, wanted))}),'
                f' got {tuple(keys.shape)}.'
            )
        overwrite_oldest(self.features, self.pointer, keys)

    def snapshot(self) -> Tensor:
        """A copy, ((levels,) dim, K), that enqueue does not change."""
        return self.features.clone()
