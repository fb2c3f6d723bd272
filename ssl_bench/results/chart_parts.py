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


def finish(*layers: alt.Chart, height: int = 0) -> Spec:
    """Put layers together, in the page's width and colours.

    Args:
        layers (alt.Chart): The lowest first.
        height (int): Pixels; 0: the page's script knows it.
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
            height=height,
            background='transparent',
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
    )
    spec: Spec = styled.to_dict()
    return spec


def by_color() -> alt.Color:
    """The colour that the page gave the method of a row."""
    return alt.Color('color:N', scale=None)


def by_key() -> alt.Y:
    """A line for each key; `labelled` draws its label."""
    return alt.Y('key:N', sort=None, axis=None)


def labelled(base: alt.Chart) -> list[alt.Chart]:
    """A thin line for each key, and its label left of it.

    Fields of a row of kind ``name``: key, lines (of the label), dy (pixels).
    """
    names = base.transform_filter('datum.kind == "name"')
    line = names.properties(name='line').mark_rule(stroke='var(--line)')
    label = (
        names.properties(name='name')
        .mark_text(
            align='right',
            baseline='middle',
            fontSize=11.5,
            lineHeight=13,
            color='var(--ink)',
            dx=-10,
            dy=alt.ExprRef('datum.dy'),
        )
        .encode(x=alt.value(0), text='lines:N')
    )
    return [line, label]


def told_of_mean(*more: alt.Tooltip) -> list[alt.Tooltip]:
    """What the pointer shows of a mean."""
    return [
        alt.Tooltip('name:N', title='method'),
        alt.Tooltip('mean_text:N', title='mean'),
        alt.Tooltip('interval_text:N', title='95% interval'),
        *more,
    ]
