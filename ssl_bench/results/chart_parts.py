"""What the page's charts share: rows, labels, colours, fonts.

Colours are CSS variables, so that a chart follows the light, dark and print
themes.
"""

from typing import Any

import altair as alt

SHAPES = [
    'circle',
    'square',
    'triangle-up',
    'diamond',
    'cross',
    'triangle-down',
]
FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
# A key is a number and the lines of its label: two may have the same label.
LABEL = "slice(split(datum.label, '\\n'), 1)"

Spec = dict[str, Any]


def named_rows() -> alt.Chart:
    """A chart of the rows that the page gives."""
    return alt.Chart(alt.NamedData('rows'))


def of_kind(base: alt.Chart, kind: str) -> alt.Chart:
    """The rows of one kind; the layer has the same name."""
    chart: alt.Chart = base.transform_filter(
        f'datum.kind == "{kind}"'
    ).properties(name=kind)
    return chart


def finish(*layers: alt.Chart, **usermeta: Any) -> Spec:
    """Put layers together, in the page's width and colours.

    Args:
        layers (alt.Chart): The lowest first.
        usermeta: For the page's script: ``step``, pixels per key of the y
            axis, with labels left of it; or ``height``, pixels.
    """
    text = dict(
        labelColor='var(--muted)',
        titleColor='var(--muted)',
        labelFont=FONT,
        titleFont=FONT,
        labelFontSize=11.5,
        titleFontSize=11.5,
        titleFontWeight='normal',
    )
    styled = (
        alt.layer(*layers)
        .properties(
            width='container',
            height=usermeta.get('height', 0),
            background='transparent',
            usermeta=usermeta,
            autosize=alt.AutoSizeParams(type='fit-x', contains='padding'),
        )
        .configure(font=FONT, aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            **text,
            gridColor='var(--line)',
            domainColor='var(--line)',
            tickColor='var(--line)',
            labelOverlap=True,
        )
        .configure_axisY(labelColor='var(--ink)')
    )
    spec: Spec = styled.to_dict()
    return spec


def by_color() -> alt.Color:
    """The colour that the page gave the method of a row."""
    return alt.Color('color:N', scale=None)


def by_key(grid: bool = False) -> alt.Y:
    """A line for each key, with its label on the left."""
    axis = alt.Axis(
        ticks=False, domain=False, grid=grid, labelExpr=LABEL, labelLimit=0
    )
    return alt.Y('key:N', sort=None, title=None, axis=axis)


def told_of_mean(*more: alt.Tooltip) -> list[alt.Tooltip]:
    """What the pointer shows of a mean."""
    return [
        alt.Tooltip('name:N', title='method'),
        alt.Tooltip('mean_text:N', title='mean'),
        alt.Tooltip('interval_text:N', title='95% interval'),
        *more,
    ]
