"""What a pickle would build, measured before anything builds it.

No pickle here runs code, but one of a few bytes can still stop the process:
a key made of tuples inside tuples overflows the stack when it is hashed, or
takes hours where each level names the one below twice; and a number in the
memo table reserves gigabytes.
"""

import pickletools
from typing import IO

MAX_DEPTH = 200  # tuples inside tuples
MAX_ITEMS = 1_000_000  # of a tuple, with those of the tuples inside it
_PUTS = ('PUT', 'BINPUT', 'LONG_BINPUT')
_GETS = ('GET', 'BINGET', 'LONG_BINGET')
_TUPLES = {'EMPTY_TUPLE': 0, 'TUPLE1': 1, 'TUPLE2': 2, 'TUPLE3': 3}
_MARK = (-1, 0)
_PLAIN = (0, 1)  # depth and items of what is not a tuple


class Excess(Exception):
    """A pickle that builds more than any checkpoint needs."""


def measure(stream: IO[bytes]) -> None:
    """Follow one pickle from where the stream stands to its end.

    Args:
        stream (IO): Stands behind the pickle's end after it.

    Raises:
        Excess: See above.
        ValueError: It is damaged.
    """
    stack: list[tuple[int, int]] = []
    memo: dict[int, tuple[int, int]] = {}
    for opcode, value, place in pickletools.genops(stream):
        name = opcode.name
        if name in _PUTS or name == 'MEMOIZE':
            key = len(memo) if name == 'MEMOIZE' else int(value or 0)
            if key > (place or 0):  # each entry takes a byte or more
                raise Excess(f'it asks for {key:,} places in its memo')
            memo[key] = stack[-1] if stack else _PLAIN
        elif name in _GETS:
            stack.append(memo.get(int(value or 0), _PLAIN))
        elif name == 'DUP':
            stack.append(stack[-1] if stack else _PLAIN)
        elif name in _TUPLES or name == 'TUPLE':
            parts = _pop(stack, _TUPLES.get(name))
            stack.append(_joined(parts))
        else:
            _follow(stack, opcode)


def _joined(parts: list[tuple[int, int]]) -> tuple[int, int]:
    """Depth and items of a tuple of parts."""
    depth = 1 + max((part[0] for part in parts), default=0)
    items = 1 + sum(part[1] for part in parts)
    if depth > MAX_DEPTH or items > MAX_ITEMS:
        raise Excess(f'it holds tuples {depth} deep, of {items:,} items')
    return depth, items


def _pop(
    stack: list[tuple[int, int]], count: int | None
) -> list[tuple[int, int]]:
    """Take some values from the stack, or all down to a mark."""
    if count is None:
        parts = []
        while stack and (top := stack.pop()) is not _MARK:
            parts.append(top)
        return parts
    parts = stack[len(stack) - count :] if count else []
    del stack[len(stack) - count :]
    return parts


def _follow(stack: list[tuple[int, int]], opcode: object) -> None:
    """What any other code leaves on the stack."""
    before = opcode.stack_before  # type: ignore[attr-defined]
    after = opcode.stack_after  # type: ignore[attr-defined]
    if pickletools.markobject in before:
        _pop(stack, None)
        below = before.index(pickletools.markobject)
        if after and below:  # such as APPENDS, which changes what is below
            return
        before = before[:below]
    for _ in before:
        if stack:
            stack.pop()
    stack.extend(
        _MARK if item is pickletools.markobject else _PLAIN for item in after
    )
