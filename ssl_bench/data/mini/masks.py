"""Masks as boxes, polygons and run lengths, exact to the pixel."""

import numpy as np


def extent(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Smallest box around a mask.

    Args:
        mask (np.ndarray): (H, W) bool, at least one pixel set.

    Returns:
        tuple[int, int, int, int]: x1, y1, x2, y2 in pixel corners: x2 and y2
        are one past the last pixel.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return (
        int(columns[0]),
        int(rows[0]),
        int(columns[-1]) + 1,
        int(rows[-1]) + 1,
    )


def run_lengths(mask: np.ndarray) -> dict[str, list]:
    """COCO's uncompressed run lengths: column-major, background first."""
    flat = np.concatenate([[0], mask.T.reshape(-1).astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(flat))
    ends = np.concatenate([[0], edges, [mask.size]])
    counts = np.diff(ends).tolist()
    if counts[-1] == 0:
        counts.pop()
    return dict(counts=counts, size=list(mask.shape))


def polygons(mask: np.ndarray) -> list[list[int]]:
    """Outlines of a mask along pixel edges, as COCO polygons.

    A polygon cannot have a hole, so a part with one is cut in two through
    the hole; the polygons together cover the mask exactly.

    Args:
        mask (np.ndarray): (H, W) bool.

    Returns:
        list[list[int]]: x, y, x, y, ... in pixel corners, clockwise.
    """
    loops = _loops(mask)
    holes = [loop for loop in loops if _signed_area(loop) < 0]
    if not holes:
        return [[value for point in loop for value in point] for loop in loops]
    columns = [x for x, _ in holes[0]]
    cut = (min(columns) + max(columns)) // 2  # a column of the hole itself
    left, right = mask.copy(), mask.copy()
    left[:, cut:] = False
    right[:, :cut] = False
    return polygons(left) + polygons(right)


def _loops(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    """Closed walks along pixel edges with the mask on the right."""
    full = np.pad(mask, 1)
    inside = full[1:-1, 1:-1]
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # (neighbour that must be empty, corner where the edge starts, its step)
    for empty, (dx, dy), step in (
        (full[:-2, 1:-1], (0, 0), (1, 0)),
        (full[1:-1, 2:], (1, 0), (0, 1)),
        (full[2:, 1:-1], (1, 1), (-1, 0)),
        (full[1:-1, :-2], (0, 1), (0, -1)),
    ):
        for y, x in np.argwhere(inside & ~empty).tolist():
            steps.setdefault((x + dx, y + dy), []).append(step)
    loops = []
    while steps:
        start = point = next(p for p, s in steps.items() if len(s) == 1)
        previous, corners = (0, 0), []
        while True:
            choices = steps[point]
            step = choices[0]
            if len(choices) == 2:
                # two pixels touch here by a corner: stay with this one
                step = (-previous[1], previous[0])
            choices.remove(step)
            if not choices:
                del steps[point]
            if step != previous:
                corners.append(point)
            point, previous = (point[0] + step[0], point[1] + step[1]), step
            if point == start:
                break
        loops.append(corners)
    return loops


def _signed_area(loop: list[tuple[int, int]]) -> float:
    """Area in pixels; negative for the outline of a hole."""
    return (
        sum(
            x1 * y2 - x2 * y1
            for (x1, y1), (x2, y2) in zip(loop, loop[1:] + loop[:1])
        )
        / 2
    )
