"""Vega-Lite charts of the page, made with Altair.

Each function returns a specification without data: the page puts the rows
under the name ``rows`` and draws one chart per task. Colours are CSS
variables, so that a chart follows the light, dark and print themes.
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

Spec = dict[str, Any]


def _rows() -> alt.Chart:
    return alt.Chart(alt.NamedData('rows'))


def _finish(*layers: alt.Chart, height: int = 0, step: int = 0) -> Spec:
    """Put layers together, in the page's width and colours.

    Args:
        layers (alt.Chart): The lowest first.
        height (int): Pixels; or
        step (int): Pixels per method, which the page multiplies.
    """
    font = 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif'
    text = dict(
        labelColor='var(--muted)',
        titleColor='var(--muted)',
        labelFont=font,
        titleFont=font,
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
            usermeta=dict(step=step),
            autosize=alt.AutoSizeParams(type='fit-x', contains='padding'),
        )
        .configure(font=font)
        .configure_view(stroke=None)
        .configure_axis(
            **text,
            gridColor='var(--line)',
            domainColor='var(--line)',
            tickColor='var(--line)',
        )
        .configure_axisY(labelColor='var(--ink)')
    )
    spec: Spec = styled.to_dict()
    return spec


def _color() -> alt.Color:
    """The colour that the page gave the method of a row."""
    return alt.Color('color:N', scale=None)


def _tooltip(*more: alt.Tooltip) -> list[alt.Tooltip]:
    return [
        alt.Tooltip('name:N', title='method'),
        alt.Tooltip('mean_text:N', title='mean'),
        alt.Tooltip('n:N', title='seeds'),
        *more,
    ]


def bars() -> Spec:
    """Means of one task with 95% intervals and printed values.

    Fields of a row: name, control (bool), mean, lo, hi, published, n, edge;
    the rounded mean_text, interval_text, published_text.
    """
    y = alt.Y(
        'name:N',
        sort=None,
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelLimit=150),
    )
    base = _rows().encode(y=y)
    bar = base.mark_bar(cornerRadiusEnd=2, height={'band': 0.6}).encode(
        x=alt.X('mean:Q', title=None, axis=alt.Axis(tickCount=5)),
        color=alt.Color(
            'control:N',
            legend=None,
            scale=alt.Scale(
                domain=[False, True],
                range=['var(--bar)', 'var(--bar-control)'],
            ),
        ),
        opacity=alt.condition('datum.n == 1', alt.value(0.45), alt.value(1.0)),
        tooltip=_tooltip(
            alt.Tooltip('interval_text:N', title='95% interval'),
            alt.Tooltip('published_text:N', title='published'),
        ),
    )
    error = (
        base.transform_filter('isValid(datum.lo)')
        .mark_rule(stroke='var(--ink)', strokeWidth=1.5, clip=True)
        .encode(x='lo:Q', x2='hi:Q')
    )
    printed = (
        base.transform_filter('isValid(datum.published)')
        .mark_point(
            shape='diamond',
            filled=True,
            size=70,
            opacity=1,
            stroke='var(--card)',
            strokeWidth=1,
            color='var(--published)',
        )
        .encode(x='published:Q')
    )
    value = base.mark_text(
        align='left', baseline='middle', dx=6, fontSize=11, color='var(--ink)'
    ).encode(x='edge:Q', text='mean_text:N')
    return _finish(bar, error, printed, value, step=24)


def ranks() -> Spec:
    """Critical-difference view: average ranks, their intervals, groups.

    Fields of a row: name, kind, rank, text; of kind ``average`` lo, hi,
    interval_text, color; of ``rank`` (on one task) task; of ``group`` (methods
    that are not apart) last, the name of its last method; of ``critical`` hi.
    """
    base = _rows().encode(
        y=alt.Y(
            'name:N',
            sort=None,
            title=None,
            axis=alt.Axis(
                ticks=False, domain=False, labelLimit=150, grid=True
            ),
        ),
        x=alt.X(
            'rank:Q',
            title='rank (1 is best)',
            axis=alt.Axis(format='d', grid=False),
            scale=alt.Scale(nice=False),
        ),
    )

    def of_kind(kind: str) -> alt.Chart:
        chart: alt.Chart = base.transform_filter(f'datum.kind == "{kind}"')
        return chart

    average = of_kind('average')
    seen = [
        'name:N',
        alt.Tooltip('text:N', title='average rank'),
        alt.Tooltip('interval_text:N', title='95% interval'),
    ]
    place = (
        of_kind('rank')
        .mark_tick(thickness=2, height=14, color='var(--muted)', opacity=0.55)
        .encode(tooltip=['name:N', 'task:N', alt.Tooltip('text:N')])
    )
    interval = average.mark_rule(stroke='var(--ink)', strokeWidth=1.5).encode(
        x='lo:Q', x2='hi:Q'
    )
    point = average.mark_point(filled=True, size=130, opacity=1).encode(
        color=_color(), tooltip=seen
    )
    group = (
        of_kind('group')
        .mark_rule(strokeWidth=6, strokeCap='round', stroke='var(--muted)')
        .encode(
            y2='last:N', tooltip=[alt.Tooltip('text:N', title='not apart')]
        )
    )
    critical = (
        of_kind('critical')
        .mark_rule(strokeWidth=3, stroke='var(--muted)')
        .encode(
            x2='hi:Q',
            tooltip=[alt.Tooltip('text:N', title='critical difference')],
        )
    )
    return _finish(place, interval, point, group, critical, step=30)


def cost(logarithmic: bool) -> Spec:
    """Quality of one task against what it cost.

    Fields: name, cost, mean, lo, hi, n, color, mean_text, cost_text.
    """
    scale = (
        alt.Scale(type='log', nice=False, padding=60)
        if logarithmic
        else alt.Scale(zero=False, padding=60)
    )
    base = _rows().encode(
        x=alt.X(
            'cost:Q',
            title='cost',
            scale=scale,
            axis=alt.Axis(tickCount=4, format='~s', grid=False),
        ),
        color=_color(),
    )
    error = (
        base.transform_filter('isValid(datum.lo)')
        .mark_rule(strokeWidth=1.5, opacity=0.7, clip=True)
        .encode(y=alt.Y('lo:Q', title='quality'), y2='hi:Q')
    )
    point = base.mark_point(filled=True, size=90, opacity=1).encode(
        y=alt.Y(
            'mean:Q', title='quality', scale=alt.Scale(zero=False, padding=20)
        ),
        shape=alt.Shape(
            'name:N', sort=None, legend=None, scale=alt.Scale(range=SHAPES)
        ),
        tooltip=_tooltip(alt.Tooltip('cost_text:N', title='cost')),
    )
    name = base.mark_text(
        align='left', dx=9, dy=-7, fontSize=11, limit=260
    ).encode(y='mean:Q', text='name:N')
    return _finish(error, point, name, height=300)


def lines(chart: alt.Chart) -> alt.Chart:
    """One line per run: the page's curves and the picture of all runs.

    Fields of a row: run, step, value, color.
    """
    drawn: alt.Chart = chart.mark_line(strokeWidth=1.3).encode(
        x=alt.X(
            'step:Q',
            title='iteration',
            axis=alt.Axis(tickCount=4, format='~s', grid=False),
        ),
        y=alt.Y('value:Q', title=None, scale=alt.Scale(zero=False)),
        color=_color(),
        detail='run:N',
    )
    return drawn


def curves() -> Spec:
    """A number of the logs of one method by iteration, one line per run.

    The page sets the axes and the frame of the mean. Fields: seed, and those
    of `lines`.
    """
    y = alt.Y(
        'value:Q',
        title='value',
        scale=alt.Scale(zero=False),
        axis=alt.Axis(tickCount=4, format='~g'),
    )
    logged = lines(_rows()).encode(
        y=y,
        tooltip=[
            'run:N',
            'seed:N',
            alt.Tooltip('step:Q', title='iteration'),
            alt.Tooltip('value:Q', format='.4~g'),
        ],
    )
    mean = (
        lines(_rows())
        .transform_window(
            mean='mean(value)',
            frame=[0, 0],
            sort=[alt.SortField('step')],
            groupby=['run'],
        )
        .encode(y=alt.Y('mean:Q'))
    )
    return _finish(logged, mean, height=170)


def specifications() -> dict[str, Spec]:
    """All charts by name, as the page's script asks for them."""
    return dict(
        bars=bars(),
        ranks=ranks(),
        curves=curves(),
        cost=cost(False),
        costLog=cost(True),
    )
