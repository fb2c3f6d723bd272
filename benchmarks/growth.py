"""How measurements grow with a size: exponents, a table and a picture."""

import math
from dataclasses import dataclass

import numpy as np

# what grows faster than linear by the method's own formula: exponent, why
PAIRS = (2.0, "pairs of positions: the 4th power of the map's side")
TOKENS = (2.0, 'attention of all tokens to all')
FORMULAS: dict[tuple[str, str], tuple[float, str]] = {
    ('pixels', 'pixpro'): PAIRS,
    ('pixels', 'pixcontrast'): PAIRS,
    ('pixels', 'siamese_im'): TOKENS,
    ('width', 'barlow_twins'): (2.0, 'a correlation of all pairs of features'),
}
LINEAR, FASTER = 'not above linear', 'FASTER THAN LINEAR'
SLACK = dict(seconds=0.2, mib=0.05)  # of an exponent: caches, and rounding


@dataclass
class Row:
    """One measurement; ``size`` in the units of its quantity."""

    quantity: str
    method: str
    size: int
    seconds: float
    mib: float


@dataclass
class Growth:
    """One line of the table: how one value grows with one quantity."""

    quantity: str
    method: str
    value: str
    sizes: list[int]
    values: list[float]

    @property
    def slope(self) -> float:
        """The exponent of the power law through all sizes."""
        logs = [np.log(np.maximum(x, 1e-9)) for x in (self.sizes, self.values)]
        return float(np.polyfit(*logs, 1)[0])

    @property
    def last(self) -> float:
        """The exponent between the two largest sizes."""
        (a, b), (x, y) = self.sizes[-2:], self.values[-2:]
        return math.log(max(y, 1e-9) / max(x, 1e-9)) / math.log(b / a)

    @property
    def verdict(self) -> str:
        """Linear or less, as the method's formula, or neither."""
        slack = SLACK[self.value]
        bound, why = FORMULAS.get((self.quantity, self.method), (1.0, ''))
        steepest = max(self.slope, self.last)
        if steepest <= 1 + slack:
            return LINEAR
        if steepest <= bound + slack:
            return why
        return FASTER

    def line(self) -> str:
        """What is printed as soon as it is measured."""
        digits = 3 if self.value == 'seconds' else 1
        unit = 's' if self.value == 'seconds' else 'MiB'
        ends = ' to '.join(
            f'{self.values[i]:.{digits}f}' for i in (0, len(self.values) - 1)
        )
        return (
            f'{self.quantity:7} {self.method:13} {self.sizes[0]} to '
            f'{self.sizes[-1]}: {ends} {unit}, slope {self.slope:.2f}, last '
            f'{self.last:.2f}, {self.verdict}'
        )


def growths(rows: list[Row]) -> list[Growth]:
    """Time and memory of each quantity and method."""
    found = []
    for quantity, method in dict.fromkeys(
        (row.quantity, row.method) for row in rows
    ):
        mine = [
            row
            for row in rows
            if (row.quantity, row.method) == (quantity, method)
        ]
        sizes = [row.size for row in mine]
        for value in SLACK:
            values = [getattr(row, value) for row in mine]
            found.append(Growth(quantity, method, value, sizes, values))
    return found


def as_markdown(found: list[Growth]) -> str:
    """The table of docs/performance.md: both exponents of each growth.

    A star is for more than linear, as the method's formula; ``!`` for more.
    """
    cells = {}
    for growth in found:
        mark = {LINEAR: '', FASTER: ' !'}.get(growth.verdict, ' *')
        cells[growth.method, growth.quantity, growth.value] = (
            f'{growth.slope:.2f}, {growth.last:.2f}{mark}'
        )
    columns = [
        (quantity, value)
        for quantity in dict.fromkeys(growth.quantity for growth in found)
        for value in SLACK
    ]
    words = dict(seconds='time', mib='memory')
    lines = [['method', *(f'{q}: {words[value]}' for q, value in columns)]]
    lines.append(['---'] * len(lines[0]))
    lines += [
        [method, *(cells.get((method, *column), '') for column in columns)]
        for method in dict.fromkeys(growth.method for growth in found)
    ]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines) + '\n'


def picture(found: list[Growth]) -> str:
    """An SVG: every value by its size, both in multiples of the first."""
    import altair as alt
    import vl_convert

    scale = alt.Scale(type='log', nice=False)
    axis = alt.Axis(values=[1, 2, 4, 8, 16, 32], grid=False)
    color = alt.Color(
        'method:N', title=None, scale=alt.Scale(scheme='tableau20')
    )
    panels = []
    for value, title in (('seconds', 'time'), ('mib', 'memory')):
        row = []
        for quantity in dict.fromkeys(growth.quantity for growth in found):
            mine = [
                growth
                for growth in found
                if (growth.quantity, growth.value) == (quantity, value)
            ]
            points = [
                dict(
                    method=growth.method,
                    size=size / growth.sizes[0],
                    times=number / growth.values[0],
                )
                for growth in mine
                for size, number in zip(growth.sizes, growth.values)
            ]
            top = max(point['size'] for point in points)
            linear = [dict(size=1, times=1), dict(size=top, times=top)]
            axes = dict(
                x=alt.X('size:Q', scale=scale, axis=axis, title=quantity),
                y=alt.Y('times:Q', scale=scale, axis=axis, title=title),
            )
            lines = (
                alt.Chart(alt.InlineData(points))
                .mark_line(point=True)
                .encode(**axes, color=color)
            )
            rule = (
                alt.Chart(alt.InlineData(linear))
                .mark_line(strokeDash=[4, 4], color='gray')
                .encode(**axes)
            )
            row.append((rule + lines).properties(width=150, height=130))
        panels.append(alt.hconcat(*row))
    chart = alt.vconcat(*panels).configure(background='white')
    return str(vl_convert.vegalite_to_svg(chart.to_json()))
