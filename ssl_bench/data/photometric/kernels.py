"""Pillow's colour changes, compiled for this processor by numba.

The planes of an image are flat arrays, so that a processor changes many
values at a time. The arithmetic is Pillow's, operation by operation. Numba
makes integers of 64 bits where two of 32 meet: each result is cut by hand.

What is compiled is kept in a file, next to this one or in the user's cache.
To import this module takes half a second, and ten the first time.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
from numba import njit
from numpy import float32, float64, int32, uint8, uint32

BYTES = 'uint8[::1]'
ROWS = 'uint8[:, ::1]'
OPTIONS: dict[str, Any] = dict(error_model='numpy', nogil=True)
AT_ONCE = 65536  # grey levels whose sum has 32 bits
HALF, BITS = uint32(1 << 23), uint32(24)  # of the weights of a box filter
# products with these give what Pillow's divisions do, for all colours
SIXTH, ONE_255TH = 1 / 6, float32(1 / 255)


def compiled(signature: str) -> Callable[[Callable], Callable]:
    """Compile a function for these types, or load what was kept of it.

    A damaged file is written again. Where none can be written, because of
    rights or a full disk, each process compiles.
    """

    def build(function: Callable) -> Callable:
        with suppress(Exception):  # of any kind, from a damaged file
            return njit(signature, cache=True, **OPTIONS)(function)
        with suppress(Exception):
            # without signatures: only forgets what was kept
            njit(cache=True, **OPTIONS)(function).recompile()
            return njit(signature, cache=True, **OPTIONS)(function)
        return njit(signature, **OPTIONS)(function)

    return build


inlined = njit(forceinline=True, **OPTIONS)


@inlined
def _grey(red, green, blue):
    """ITU-R 601 weights of 16 bits."""
    total = int32(int32(int32(red) * int32(19595)) + int32(32768))
    total = int32(total + int32(int32(green) * int32(38470)))
    total = int32(total + int32(int32(blue) * int32(7471)))
    return int32(total >> int32(16))


@inlined
def _blend(first, second, factor):
    """In float32, and the fraction is cut off."""
    value = first + factor * (float32(second) - first)
    return uint8(int32(min(max(value, float32(0)), float32(255))))


@compiled(f'void({BYTES}, {BYTES}, float64, float64)')
def blend_level(source, out, level, factor):
    """Blend a level with all values."""
    first, weight = float32(level), float32(factor)
    for i in range(source.size):
        out[i] = _blend(first, source[i], weight)


@compiled(f'int64({ROWS})')
def sum_of_grey(source):
    """The sum of the grey levels of planes (3, pixels)."""
    total = 0
    for start in range(0, source.shape[1], AT_ONCE):
        planes = source[:, start : start + AT_ONCE]
        red, green, blue = planes[0], planes[1], planes[2]
        part = int32(0)
        for i in range(red.size):
            part = int32(part + _grey(red[i], green[i], blue[i]))
        total += part
    return total


@compiled(f'void({ROWS}, {BYTES})')
def grey_levels(source, out):
    """The grey levels of planes (3, pixels)."""
    red, green, blue = source[0], source[1], source[2]
    for i in range(red.size):
        out[i] = uint8(_grey(red[i], green[i], blue[i]))


@compiled(f'void({ROWS}, {ROWS}, float64)')
def blend_grey(source, out, factor):
    """Blend the grey levels of planes (3, pixels) with their colours."""
    red, green, blue = source[0], source[1], source[2]
    out_red, out_green, out_blue = out[0], out[1], out[2]
    weight = float32(factor)
    for i in range(red.size):
        first = float32(_grey(red[i], green[i], blue[i]))
        out_red[i] = _blend(first, red[i], weight)
        out_green[i] = _blend(first, green[i], weight)
        out_blue[i] = _blend(first, blue[i], weight)


@compiled(f'void({BYTES}, {BYTES}, int64)')
def invert_from(source, out, threshold):
    """Invert the values from a level on."""
    lowest = int32(threshold)
    for i in range(source.size):
        value = source[i]
        value = uint8(255 - value) if int32(value) >= lowest else value
        out[i] = value


@inlined
def _hue(red, green, blue, value, least):
    """Pillow's 8-bit hue; the colours and their bounds are int32."""
    if red == value:
        low, base = blue, 0.0
        middle = max(green, blue)
    elif green == value:
        low, base = red, 2.0
        middle = max(red, blue)
    else:
        low, base = green, 4.0
        middle = max(red, green)
    # of the two quotients of Pillow, that of the least colour is 1
    part = float32(int32(value - middle))
    part = part / float32(max(int32(value - least), int32(1)))
    sign = float64(part) - 1.0
    sign = -sign if low == least else sign
    turns = float64(float32(base + sign)) * SIXTH + 1.0
    turns = turns - 1.0 if turns >= 1.0 else turns
    return int32(float64(float32(turns)) * 255.0)


@inlined
def _rounded(value):
    return int32(value + float32(0.5))


@inlined
def _one_of(number, first, second, third, fourth, fifth, sixth):
    low = first if number == 0 else second if number == 1 else third
    high = fourth if number == 3 else fifth if number == 4 else sixth
    return low if number < 3 else high


@compiled(f'void({ROWS}, {ROWS}, int64)')
def shift_hue(source, out, shift):
    """Shift the 8-bit hue of planes (3, pixels), with wrap."""
    reds, greens, blues = source[0], source[1], source[2]
    out_red, out_green, out_blue = out[0], out[1], out[2]
    one, step = float32(1), int32(shift)
    for i in range(reds.size):
        red, green, blue = int32(reds[i]), int32(greens[i]), int32(blues[i])
        value = max(red, max(green, blue))
        least = min(red, min(green, blue))
        hue = _hue(red, green, blue, value, least)
        hue = int32(int32(hue + step) & int32(255))
        level = float32(value)
        saturation = int32(
            float32(int32(value - least)) * float32(255) / max(level, one)
        )
        place = float32(hue) * float32(6) / float32(255)
        sector = int32(place)
        part = place - float32(sector)
        share = float32(saturation) * ONE_255TH
        low = _rounded(level * (one - share))
        falling = _rounded(level * (one - share * part))
        rising = _rounded(level * (one - share * (one - part)))
        sector = sector if sector < 6 else int32(0)
        # a value that is chosen while it is stored would not be vectorised
        red = _one_of(sector, value, falling, low, low, rising, value)
        green = _one_of(sector, rising, value, value, falling, low, low)
        blue = _one_of(sector, low, low, rising, value, value, falling)
        out_red[i], out_green[i], out_blue[i] = red, green, blue


@inlined
def _box(near, edges, inner, outer):
    """The level of a box filter: sums of its pixels, times the weights."""
    total = uint32(HALF + uint32(near * inner))
    return uint8(uint32(total + uint32(edges * outer)) >> BITS)


@inlined
def _inside(source, out, step, edge, inner, outer):
    """A box filter of values that have all neighbours; others are wrong."""
    size = source.size - 2 * (edge + 1) * step
    first, last = source[:size], source[source.size - size :]
    target = out[(edge + 1) * step :][:size]
    if edge == 0:
        at = source[step:][:size]
        for i in range(size):
            edges = uint32(uint32(first[i]) + uint32(last[i]))
            target[i] = _box(uint32(at[i]), edges, inner, outer)
    elif edge == 1:
        above = source[step:][:size]
        at, below = source[2 * step :][:size], source[3 * step :][:size]
        for i in range(size):
            near = uint32(uint32(above[i]) + uint32(at[i]))
            near = uint32(near + uint32(below[i]))
            edges = uint32(uint32(first[i]) + uint32(last[i]))
            target[i] = _box(near, edges, inner, outer)
    else:
        sums = np.zeros(size, uint32)
        for place in range(1, 2 * edge + 2):
            other = source[place * step :][:size]
            for i in range(size):
                sums[i] = uint32(sums[i] + uint32(other[i]))
        for i in range(size):
            edges = uint32(uint32(first[i]) + uint32(last[i]))
            target[i] = _box(sums[i], edges, inner, outer)


@inlined
def _border(source, out, step, length, edge, inner, outer):
    """A box filter of values that have not; the nearest stand for them."""
    count = min(2 * (edge + 1), length)
    for start in range(0, source.size, step * length):
        for number in range(count):
            k = number if number <= edge else length - count + number
            for i in range(start, start + step):
                near = uint32(0)
                for place in range(k - edge, k + edge + 1):
                    at = i + step * min(max(place, 0), length - 1)
                    near = uint32(near + uint32(source[at]))
                above = i + step * max(k - edge - 1, 0)
                below = i + step * min(k + edge + 1, length - 1)
                edges = uint32(source[above]) + uint32(source[below])
                out[i + step * k] = _box(near, uint32(edges), inner, outer)


@compiled(f'void({BYTES}, {BYTES}, {", ".join(["int64"] * 5)})')
def blur_lines(source, out, step, length, edge, inner, outer):
    """Pillow's box filter, three times.

    Args:
        source, out (ndarray): uint8, lines of values, flat.
        step (int): From a value of a line to the next; so many lines lie
            between each other.
        length (int): Of a line.
        edge, inner, outer (int): Of `box_weights`.
    """
    between = np.empty_like(source)
    some, others = uint32(inner), uint32(outer)
    for number in range(3):
        before = source if number == 0 else out if number == 1 else between
        after = between if number == 1 else out
        if 2 * (edge + 1) * step < source.size:
            _inside(before, after, step, edge, some, others)
        _border(before, after, step, length, edge, some, others)
