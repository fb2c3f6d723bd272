"""Vega-Lite charts of the page, made with Altair.

Each function returns a specification without data: the page puts the rows
under the name ``rows``, and the scales' domains, once per chart. Each layer
has a name, which is a class of its marks.
"""

from typing import Literal

import altair as alt

from ssl_bench.results.chart_parts import (
    SHAPES,
    Spec,
    by_color,
    by_key,
    finish,
    labelled,
    named_rows,
    of_kind,
    told_of_mean,
)
from ssl_bench.results.curve_charts import curves


def dots() -> Spec:
    """Means of one task with 95% intervals and printed values.

    Fields of a row: key, kind; of ``head`` (a backbone) name; of ``band`` (a
    method that is not shown to be worse) lo, hi; of ``mean`` (two seeds or
    more) and ``single`` (one seed) name, mean, color, lo, hi, published and
    the rounded mean_text, interval_text, published_text, standing.
    """
    base = named_rows().encode(y=by_key())
    x = alt.X('mean:Q', title='', axis=alt.Axis(grid=False))
    told = told_of_mean(
        alt.Tooltip('standing:N', title='place'),
        alt.Tooltip('published_text:N', title='published'),
    )
    head = (
        of_kind(base, 'head')
        .mark_text(
            align='left',
            baseline='middle',
            fontSize=12,
            fontWeight='bold',
            color='var(--muted)',
            dx=alt.ExprRef('datum.dx'),
        )
        .encode(x=alt.value(0), text='name:N')
    )
    band = (
        of_kind(base, 'band')
        .mark_rule(
            stroke='var(--tie)', strokeWidth=28, strokeCap='square', clip=True
        )
        .encode(x=alt.X('lo:Q', title=''), x2='hi:Q')
    )
    interval = (
        base.transform_filter('isValid(datum.lo) && isValid(datum.mean)')
        .properties(name='interval')
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X('lo:Q', title=''), x2='hi:Q', color=by_color())
    )
    printed = (
        base.transform_filter('isValid(datum.published)')
        .properties(name='printed')
        .mark_point(
            shape='diamond',
            filled=False,
            size=80,
            opacity=1,
            strokeWidth=1.8,
            color='var(--published)',
        )
        .encode(x=alt.X('published:Q', title=''), tooltip=told)
    )
    mean = (
        of_kind(base, 'mean')
        .mark_point(filled=True, size=85, opacity=1)
        .encode(x=x, color=by_color(), tooltip=told)
    )
    single = (
        of_kind(base, 'single')
        .mark_point(filled=False, size=70, opacity=0.8, strokeWidth=1.6)
        .encode(x=x, color=by_color(), tooltip=told)
    )
    value = (
        base.transform_filter('isValid(datum.mean)')
        .properties(name='value')
        .mark_text(
            align='left',
            baseline='middle',
            dx=10,
            fontSize=11.5,
            color='var(--ink)',
        )
        .encode(x=alt.value('width'), text='mean_text:N')
    )
    return finish(
        band, *labelled(base), interval, mean, single, printed, value, head
    )


def ranks() -> Spec:
    """Critical-difference view: average ranks, their intervals, groups.

    Fields of a row: key, name, kind, rank, text; of kind ``average`` lo, hi,
    interval_text, color; of ``rank`` (on one task) task; of ``group`` (methods
    that are not apart) last, the key of its last method, and letter; of
    ``critical`` hi.
    """
    named = named_rows().encode(y=by_key())
    base = named.encode(
        x=alt.X(
            'rank:Q',
            title='average rank, 1 is best',
            axis=alt.Axis(format='d', grid=False),
            scale=alt.Scale(nice=False),
        )
    )
    average = of_kind(base, 'average')
    seen = [
        alt.Tooltip('name:N', title='method'),
        alt.Tooltip('text:N', title='average rank'),
        alt.Tooltip('interval_text:N', title='95% interval'),
    ]
    place = (
        of_kind(base, 'rank')
        .mark_tick(thickness=2, height=13, color='var(--muted)', opacity=0.55)
        .encode(
            tooltip=[
                alt.Tooltip('name:N', title='method'),
                alt.Tooltip('task:N', title='task'),
                alt.Tooltip('text:N', title='rank'),
            ]
        )
    )
    interval = (
        average.properties(name='interval')
        .mark_rule(strokeWidth=2)
        .encode(x='lo:Q', x2='hi:Q', color=by_color())
    )
    point = average.mark_point(filled=True, size=120, opacity=1).encode(
        color=by_color(), tooltip=seen
    )
    told = [alt.Tooltip('text:N', title='not apart')]
    groups = of_kind(base, 'group')
    group = groups.mark_rule(
        strokeWidth=6, strokeCap='round', stroke='var(--muted)'
    ).encode(y2='last:N', tooltip=told)
    letter = (
        groups.properties(name='letter')
        .mark_text(align='left', dx=7, fontSize=11.5, color='var(--muted)')
        .encode(text='letter:N')
    )
    critical = (
        of_kind(base, 'critical')
        .mark_rule(strokeWidth=3, stroke='var(--muted)')
        .encode(
            x2='hi:Q',
            tooltip=[alt.Tooltip('text:N', title='critical difference')],
        )
    )
    return finish(
        *labelled(named), place, interval, point, group, letter, critical
    )


def differences() -> Spec:
    """One method minus another on each task; the page turns the axis.

    Fields: key, task, difference, lo, hi, color, text, kind: ``decided`` or
    ``undecided``.
    """
    base = named_rows().encode(y=by_key())
    x = alt.X('difference:Q', title='', axis=alt.Axis(grid=False))
    told = [
        alt.Tooltip('task:N', title='task'),
        alt.Tooltip('text:N', title='answer'),
    ]
    zero = (
        alt.Chart(alt.InlineData(values=[{}]))  # one line
        .properties(name='zero')
        .mark_rule(stroke='var(--muted)', strokeDash=[4, 3])
        .encode(x=alt.datum(0))
    )
    interval = (
        base.transform_filter('isValid(datum.lo)')
        .properties(name='interval')
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X('lo:Q', title=''), x2='hi:Q', color=by_color())
    )
    decided = (
        of_kind(base, 'decided')
        .mark_point(filled=True, size=85, opacity=1)
        .encode(x=x, color=by_color(), tooltip=told)
    )
    undecided = (
        of_kind(base, 'undecided')
        .mark_point(
            filled=True,
            fill='var(--card)',
            size=70,
            opacity=1,
            strokeWidth=1.8,
        )
        .encode(x=x, stroke=alt.Stroke('color:N', scale=None), tooltip=told)
    )
    return finish(*labelled(base), interval, zero, decided, undecided)


def seeds() -> Spec:
    """The seeds of two methods on one task; common seeds are joined.

    Fields of a row: key, kind; of ``pair`` value, other, last; of ``average``
    value, text; of ``seed`` value, seed, text, color, name.
    """
    named = named_rows().encode(y=by_key())
    base = named.encode(
        x=alt.X('value:Q', title='', axis=alt.Axis(grid=False))
    )
    joined = (
        of_kind(base, 'pair')
        .mark_rule(stroke='var(--muted)', strokeWidth=1, opacity=0.7)
        .encode(x2='other:Q', y2='last:N')
    )
    average = (
        of_kind(base, 'average')
        .mark_tick(thickness=3, height=20, opacity=1)
        .encode(
            color=by_color(), tooltip=[alt.Tooltip('text:N', title='mean')]
        )
    )
    seed = (
        of_kind(base, 'seed')
        .mark_point(filled=True, size=55, opacity=0.85)
        .encode(
            color=by_color(),
            tooltip=[
                alt.Tooltip('name:N', title='method'),
                alt.Tooltip('seed:N', title='seed'),
                alt.Tooltip('text:N', title='value'),
            ],
        )
    )
    return finish(*labelled(named), joined, average, seed)


def cost(logarithmic: bool) -> Spec:
    """Quality of one task against what it cost, with the Pareto fronts.

    Fields of a row: key, kind, name, cost, mean; of ``mean`` (two seeds or
    more) and ``single`` (one seed) lo, hi, color, mean_text, interval_text,
    cost_text; of ``front`` group; of ``label`` x, y (pixels), text.
    """
    kind: Literal['log', 'linear'] = 'log' if logarithmic else 'linear'
    base = named_rows().encode(
        x=alt.X(
            'cost:Q',
            title='',
            scale=alt.Scale(type=kind, nice=False, zero=False),
            axis=alt.Axis(grid=False),
        ),
        color=by_color(),
    )
    y = alt.Y('mean:Q', title='', scale=alt.Scale(zero=False, nice=False))
    shape = alt.Shape(
        'key:N', sort=None, legend=None, scale=alt.Scale(range=SHAPES)
    )
    told = told_of_mean(alt.Tooltip('cost_text:N', title='cost'))
    front = (
        of_kind(named_rows(), 'front')
        .mark_line(
            interpolate='step-after',
            stroke='var(--accent)',
            strokeWidth=1.5,
            strokeDash=[5, 3],
        )
        .encode(x=base.encoding.x, y=y, detail='group:N')
    )
    error = (
        base.transform_filter('isValid(datum.lo)')
        .properties(name='interval')
        .mark_rule(strokeWidth=1.5, opacity=0.7)
        .encode(y=alt.Y('lo:Q', title=''), y2='hi:Q')
    )
    mean = (
        of_kind(base, 'mean')
        .mark_point(filled=True, size=90, opacity=1)
        .encode(y=y, shape=shape, tooltip=told)
    )
    single = (
        of_kind(base, 'single')
        .mark_point(filled=False, size=80, opacity=0.8, strokeWidth=1.6)
        .encode(y=y, shape=shape, tooltip=told)
    )
    label = (
        of_kind(named_rows(), 'label')
        .mark_text(fontSize=11.5, baseline='middle', align='left')
        .encode(
            x=alt.X('x:Q', scale=None),
            y=alt.Y('y:Q', scale=None),
            text='text:N',
            color=by_color(),
        )
    )
    halo = label.properties(name='halo').encode(
        color=alt.value('var(--card)'),
        stroke=alt.value('var(--card)'),
        strokeWidth=alt.value(4),
    )
    return finish(front, error, mean, single, halo, label, height=340)


def specifications() -> dict[str, Spec]:
    """All charts by name, as the page's script asks for them."""
    return dict(
        dots=dots(),
        ranks=ranks(),
        differences=differences(),
        seeds=seeds(),
        curves=curves(),
        cost=cost(False),
        costLog=cost(True),
    )
