"""Loss curves of pretrainings, and a table of them, from their logs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.results.names import label
from ssl_bench.results.scalars import read_losses

RISE = 0.02  # of the loss's range: less is noise
BLUE = '#2c6fbb'  # of the lines


@dataclass
class Run:
    """The log of a pretraining.

    Args:
        name (str): Method with its variant.
        config (str): Name of the config.
        folder (str): Work dir.
        rows (list[dict]): ``step``, ``loss``, and where logged
            ``feature_std`` and ``feature_rank``, by step.
    """

    name: str
    config: str
    folder: str
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def losses(self) -> list[float]:
        """Of every logged step."""
        return [row['loss'] for row in self.rows]

    @property
    def peak(self) -> dict[str, Any]:
        """The row of the greatest loss."""
        return max(self.rows, key=lambda row: row['loss'])

    @property
    def rises_first(self) -> bool:
        """Whether the loss rises above its first value before it falls."""
        losses = self.losses
        extent = max(losses) - min(losses)
        return max(losses) - losses[0] > RISE * extent > 0


def find_runs(dirs: Sequence[str | Path]) -> list[Run]:
    """Every pretraining below some folders, by config and folder.

    A resumed run is one run: what was logged later counts.

    Raises:
        UserError: There is none, or a log is damaged.
    """
    runs = []
    for top in dirs:
        for folder in sorted(
            {
                path.parents[2]
                for path in Path(top).rglob('*/vis_data/scalars.json')
            }
        ):
            run = read_run(folder)
            if run is not None:
                runs.append(run)
    if not runs:
        raise UserError(
            f'no log of a pretraining below {", ".join(map(str, dirs))}; '
            '`ssl-bench demo --all` makes some.'
        )
    return sorted(runs, key=lambda run: (run.config, run.folder))


def read_run(folder: Path) -> Run | None:
    """The run in a work dir; None for a transfer or an empty log.

    Raises:
        UserError: The log cannot be read.
    """
    from ssl_bench.config import parse_config

    config = next(iter(sorted(folder.glob('*.py'))), None)
    if config is None:
        return None
    method = parse_config(config.read_text(encoding='utf-8')).get('method')
    if not isinstance(method, dict):
        return None
    rows: dict[int, dict[str, Any]] = {}
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        try:
            rows.update((row['step'], row) for row in read_losses(path))
        except (UserError, OSError) as error:
            raise UserError(f'{path}: {error}.') from error
    if not rows:
        return None
    name = label(str(method.get('name')), method.get('variant') or '')
    return Run(
        name, config.stem, str(folder), [rows[step] for step in sorted(rows)]
    )


def curve_table(runs: Sequence[Run]) -> str:
    """First, greatest and last loss of each config, in Markdown.

    Of several runs of a config the first is shown.
    """
    lines = [
        '| Config | Method | Iterations | Loss: first | greatest (at) | '
        'last | Feature std | Effective rank |',
        '| --- ' * 8 + '|',
    ]
    shown = set()
    for run in runs:
        if run.config in shown:
            continue
        shown.add(run.config)
        first, last, peak = run.rows[0], run.rows[-1], run.peak
        top = (
            f'{peak["loss"]:.3g} ({peak["step"]:g})'
            if run.rises_first
            else 'the first'
        )
        spreads = [
            _from_to(first, last, key, digits)
            for key, digits in (
                ('feature_std', '.2f'),
                ('feature_rank', '.0f'),
            )
        ]
        lines.append(
            f'| `{run.config}` | {run.name} | {last["step"]:g} | '
            f'{first["loss"]:.3g} | {top} | {last["loss"]:.3g} | '
            f'{spreads[0]} | {spreads[1]} |'
        )
    return '\n'.join(lines)


def _from_to(
    first: dict[str, Any], last: dict[str, Any], key: str, digits: str
) -> str:
    if key not in first or key not in last:
        return ''
    return f'{first[key]:{digits}} to {last[key]:{digits}}'


def curve_chart(runs: Sequence[Run]) -> bytes:
    """A PNG with one panel for each config: loss by iteration."""
    import altair as alt
    import vl_convert

    from ssl_bench.results.charts import losses

    panels = []
    for config in dict.fromkeys(run.config for run in runs):
        mine = [run for run in runs if run.config == config]
        rows = [
            dict(
                step=row['step'], loss=row['loss'], run=run.folder, color=BLUE
            )
            for run in mine
            for row in run.rows
        ]
        panels.append(
            losses(alt.Chart(alt.InlineData(rows))).properties(
                width=210, height=120, title=f'{mine[0].name}: {config}'
            )
        )
    chart = (
        alt.concat(*panels, columns=3)
        .configure_title(fontSize=11, fontWeight='normal')
        .configure(background='white')
    )
    return vl_convert.vegalite_to_png(chart.to_json(), scale=1.5)
