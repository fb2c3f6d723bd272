"""Charts of training logs: the page's, and the picture of all runs."""

import altair as alt

from ssl_bench.results.chart_parts import Spec, by_color, finish, named_rows


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
        color=by_color(),
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
    logged = lines(named_rows()).encode(
        y=y,
        tooltip=[
            'run:N',
            'seed:N',
            alt.Tooltip('step:Q', title='iteration'),
            alt.Tooltip('value:Q', format='.4~g'),
        ],
    )
    mean = (
        lines(named_rows())
        .transform_window(
            mean='mean(value)',
            frame=[0, 0],
            sort=[alt.SortField('step')],
            groupby=['run'],
        )
        .encode(y=alt.Y('mean:Q'))
    )
    return finish(logged, mean, height=170)
