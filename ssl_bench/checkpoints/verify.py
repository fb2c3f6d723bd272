"""Proof that weights arrived: what fits, what does not, what looks wrong."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ssl_bench.checkpoints.architectures import optional

Shape = tuple[int, ...]
MOST_SHOWN = 12  # names of tensors in a message
_NUMBER = re.compile(r'(?<=\.)\d+(?=\.)')


@dataclass
class Report:
    """What a comparison of tensors with an expected list found.

    Args:
        loaded (int): Tensors in place.
        norms (int): Batch-norm layers whose running statistics are among
            them.
        missing, unexpected (list[str]): Names.
        misshapen (list[tuple]): Name, shape in the file, shape expected.
        dropped (dict[str, int]): Tensors left aside, counted by part.
        warnings (list[str]): Values that look wrong.
        notes (list[str]): What was changed, such as a resized table.
    """

    loaded: int = 0
    norms: int = 0
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[tuple[str, Shape, Shape]] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every tensor found its place."""
        return not (self.missing or self.unexpected or self.misshapen)

    def problems(self) -> str:
        """The lists as one sentence, each missing name with its nearest."""
        parts = []
        if self.missing:
            parts.append(
                f'missing ({len(self.missing)}): '
                + grouped(self.missing, self.unexpected)
            )
        if self.unexpected:
            parts.append(
                f'unexpected ({len(self.unexpected)}): '
                + grouped(self.unexpected)
            )
        if self.misshapen:
            parts.append(
                'of another shape '
                + _some(
                    [
                        f'{name} (file {list(got)}, expected {list(want)})'
                        for name, got, want in self.misshapen[:6]
                    ],
                    len(self.misshapen),
                )
            )
        return '; '.join(parts)

    def summary(self) -> str:
        """What arrived, for a log."""
        lines = [f'{self.loaded} tensors in place']
        if self.norms:
            lines[0] += (
                f', among them the running statistics of {self.norms} batch '
                'norms'
            )
        if not self.complete:
            lines.append(self.problems())
        if self.dropped:
            lines.append(
                'left aside: '
                + ', '.join(
                    f'{part} ({count})'
                    for part, count in sorted(self.dropped.items())
                )
            )
        return '\n'.join(
            lines + self.notes + [f'warning: {text}' for text in self.warnings]
        )


def grouped(names: Iterable[str], near: Iterable[str] = ()) -> str:
    """Names as one line; those that differ in numbers alone are counted.

    Args:
        names (Iterable[str]): Of tensors.
        near (Iterable[str]): Where a single name's nearest is looked for.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_NUMBER.sub('N', name), []).append(name)
    near = list(near)
    shown = [
        _with_guess(held[0], near)
        if len(held) == 1
        else f'{group} ({len(held)}, first {held[0]})'
        for group, held in list(groups.items())[:MOST_SHOWN]
    ]
    rest = len(groups) - len(shown)
    return ', '.join(shown) + (f' and {rest} more' if rest else '')


def _some(shown: list[str], count: int) -> str:
    more = f' and {count - len(shown)} more' if count > len(shown) else ''
    return f'({count}): {", ".join(shown)}{more}'


def _with_guess(name: str, candidates: list[str]) -> str:
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    return f'{name} (nearest in the file: {near[0]})' if near else name


def compare(
    state: Mapping[str, Tensor], shapes: Mapping[str, Shape]
) -> Report:
    """Compare tensors with the shapes that an architecture asks for.

    Args:
        state (Mapping[str, Tensor]): What the file gives.
        shapes (Mapping[str, tuple]): What must be there.

    Returns:
        Report: Tensors that may be absent (`optional`) are not missed, nor
        unexpected.
    """
    report = Report()
    for name, want in shapes.items():
        if name not in state:
            if not optional(name):
                report.missing.append(name)
        elif tuple(state[name].shape) != tuple(want):
            report.misshapen.append(
                (name, tuple(state[name].shape), tuple(want))
            )
        else:
            report.loaded += 1
            report.norms += name.endswith('running_var')
    report.unexpected = [
        name for name in state if name not in shapes and not optional(name)
    ]
    return report


def suspicious(state: Mapping[str, Tensor]) -> list[str]:
    """Say which values look as if nobody had trained them."""
    found = []
    means = _all_equal(state, 'running_mean', 0.0)
    variances = _all_equal(state, 'running_var', 1.0)
    if means and variances:
        found.append(
            f'all {means} batch norms hold their initial statistics '
            '(mean 0, variance 1): was this saved before training?'
        )
    weights = [
        name
        for name, tensor in state.items()
        if tensor.ndim == 1 and name.endswith('.weight')
    ]
    at_one = [name for name in weights if bool((state[name] == 1).all())]
    biases = [
        name
        for name, tensor in state.items()
        if tensor.ndim == 1 and name.endswith('.bias')
    ]
    if (
        weights
        and len(at_one) == len(weights)
        and biases
        and all(not state[name].any() for name in biases)
    ):
        found.append(
            f'all {len(weights)} norm layers hold their initial '
            'scale and shift, every bias is 0: was this saved '
            'before training?'
        )
    constant = [
        name
        for name, tensor in state.items()
        if tensor.ndim > 1
        and tensor.numel() > 1
        and 'pos_embed' not in name
        and name != 'cls_token'
        and _constant(tensor)
    ]
    if constant:
        found.append(
            'weights that are one constant in '
            + _some(constant[:4], len(constant))
        )
    return found


def _constant(tensor: Tensor) -> bool:
    flat = tensor.flatten()
    return bool((flat[:99] == flat[0]).all()) and bool((flat == flat[0]).all())


def _all_equal(state: Mapping[str, Tensor], suffix: str, value: float) -> int:
    """How many tensors end in ``suffix``, if all equal ``value``; else 0."""
    found = [tensor for name, tensor in state.items() if name.endswith(suffix)]
    equal = all(bool((tensor == value).all()) for tensor in found)
    return len(found) if equal else 0
