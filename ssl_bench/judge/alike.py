"""Hashes of what images show, and which of them are nearly the same."""

from collections.abc import Iterator

import numpy as np
from PIL import Image

BOUND = 7  # bits in which the hashes of two images may differ
BANDS, BITS = 4, 16  # of a hash
PAIRS = 4_000_000  # that are looked at together


def hash_of(grey: np.ndarray) -> int:
    """The difference hash: is each area brighter than its left neighbour.

    Args:
        grey (np.ndarray): (H, W) uint8, of the whole image; its areas are 8
            rows of 9.

    Returns:
        int: 64 bits.

    Reference:
        N. Krawetz, "Kind of Like That", 2013 (dHash).
    """
    areas = np.asarray(
        Image.fromarray(grey).resize((9, 8), Image.Resampling.BOX)
    )
    bits = (areas[:, 1:] > areas[:, :-1]).ravel()
    return int.from_bytes(np.packbits(bits).tobytes(), 'big')


def distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Bits in which hashes differ; uint64 to int."""
    bits = first ^ second
    for shift, mask in (
        (1, 0x5555555555555555),
        (2, 0x3333333333333333),
        (4, 0x0F0F0F0F0F0F0F0F),
    ):
        low = np.uint64(mask)
        bits = (bits & low) + (bits >> np.uint64(shift) & low)
    # the sum of the eight bytes is in the highest one
    return (bits * np.uint64(0x0101010101010101) >> np.uint64(56)).astype(int)


def alike_hashes(
    first: np.ndarray, second: np.ndarray, bound: int = BOUND
) -> np.ndarray:
    """All pairs whose hashes differ in few bits.

    Where at most 7 of 64 bits differ, at most one differs in one of the four
    quarters. So each quarter of a hash, as it is and with each of its bits
    turned, is looked up among the quarters of the others: not every pair is
    compared.

    Args:
        first (np.ndarray): (N,) uint64.
        second (np.ndarray): (M,) uint64; the longer one.
        bound (int): Bits that may differ, 7 at most.

    Returns:
        np.ndarray: (P, 3) int64 of number in ``first``, number in ``second``
        and distance; sorted, each pair once.

    Raises:
        ValueError: The bound is too large for this search.
    """
    if not 0 <= bound <= 2 * BANDS - 1:
        raise ValueError(f'{bound} bits may differ; the search finds 0 to 7')
    found: list[np.ndarray] = [np.zeros((0, 3), np.int64)]
    for band in range(BANDS):
        ours, theirs = (_quarter(hashes, band) for hashes in (first, second))
        order = np.argsort(theirs, kind='stable')
        starts = np.searchsorted(theirs[order], np.arange(2**BITS + 1))
        for turned in (0, *(1 << bit for bit in range(BITS))):
            keys = ours ^ turned
            for rows, places in _expanded(starts[keys], starts[keys + 1]):
                others = order[places]
                apart = distance(first[rows], second[others])
                near = apart <= bound
                found.append(
                    np.stack([rows, others, apart], 1)[near].astype(np.int64)
                )
    return np.unique(np.concatenate(found), axis=0)


def _quarter(hashes: np.ndarray, band: int) -> np.ndarray:
    shifted = hashes >> np.uint64(BITS * band)
    return (shifted & np.uint64(2**BITS - 1)).astype(np.int64)


def _expanded(
    starts: np.ndarray, ends: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Row numbers with every place from its start to its end, in parts."""
    counts = ends - starts
    sums = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        before = sums[begin - 1] if begin else 0
        stop = int(np.searchsorted(sums, before + PAIRS, 'right'))
        stop = max(stop, begin + 1)
        own = counts[begin:stop]
        rows = np.repeat(np.arange(begin, stop), own)
        inside = np.arange(len(rows)) - np.repeat(np.cumsum(own) - own, own)
        if len(rows):
            yield rows, starts[rows] + inside
        begin = stop
