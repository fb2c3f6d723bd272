"""Learning rates of the official programs, by iteration from 0."""

from math import cos, pi


def dinov2_segmentation(
    i: int, base: float = 1e-3, total: int = 40000, warmup: int = 1500
) -> float:
    """Linear to 0, with a linear warm-up (mmcv's ``poly`` of power 1)."""
    rate = base * (1 - i / total)
    return rate * _warm(i, warmup) if i < warmup else rate


def dinov3_segmentation(
    i: int, base: float = 1e-3, total: int = 40000, warmup: int = 1500
) -> float:
    """Linear with a warm-up, then half a cosine, with a step between them.

    The first call of the official scheduler is left out, so iterations 0 and
    1 have the same rate.
    """
    step = max(i - 1, 0)
    if step < warmup:
        return base * _warm(step, warmup) * (1 - step / total)
    return base * (1 + cos(pi * (step + 1) / total)) / 2


def _warm(i: int, warmup: int, ratio: float = 1e-6) -> float:
    return 1 - (1 - i / warmup) * (1 - ratio)


def dinov2_depth(
    i: int, base: float = 1e-4, total: int = 38400, warmup: int = 12800
) -> tuple[float, float]:
    """Rate and first momentum (beta1) of DINOv2's depth heads.

    mmcv's cosine with a linear warm-up from a thousandth, and its
    ``OneCycle`` momentum with its defaults: from 0.95 to 0.85 over 30 % of
    the training, and back.
    """
    last = base * 1e-8
    rate = last + (base - last) * (1 + cos(pi * i / total)) / 2
    if i < warmup:
        rate *= _warm(i, warmup, 1e-3)
    turn = 0.3 * total - 1
    share = i / turn if i <= turn else (i - turn) / (total - 1 - turn)
    wave = (1 + cos(pi * share)) / 2
    beta1 = 0.85 + 0.1 * (wave if i <= turn else 1 - wave)
    return rate, beta1


def dinov3_depth(
    i: int, base: float = 3e-4, total: int = 38400, warmup: int = 12800
) -> tuple[float, float]:
    """Rate and first momentum (beta1) of DINOv3's linear depth.

    The rate never reaches the base; beta1 is 0 in the warm-up.
    """
    if i < warmup:
        down = (1 + cos(pi * i / total)) / 2
        return base / 1000 + base * down * i / warmup, 0.0
    last = base * 4e-5
    rate = last + (base - last) * (1 + cos(pi * (i + 1) / total)) / 2
    share = (i - warmup) / (total - warmup)
    return rate, 0.95 + (0.85 - 0.95) * (1 + cos(pi * share)) / 2


def capi_probe(
    i: int, base: float = 1.0, total: int = 12500, warmup: int = 1250
) -> float:
    """Linear from 0, then half a cosine to 0."""
    if i < warmup:
        return base * i / max(warmup - 1, 1)
    return base * (1 + cos(pi * (i - warmup) / (total - warmup - 1))) / 2
