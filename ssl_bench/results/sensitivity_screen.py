"""What ``--sensitivity`` prints: the answers on one screen, worst first."""

from collections import Counter
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ssl_bench.results import headings, rounding
from ssl_bench.results.screen import DETAILS, output, screen_of, show_grids
from ssl_bench.results.sensitivity_text import (
    HEADING,
    SEEDS,
    TITLES,
    grids,
    sentence,
    shown_studies,
    subject,
)
from ssl_bench.results.sensitivity_types import (
    BREAKS,
    HOLDS,
    OPEN,
    TASKS,
    Study,
)
from ssl_bench.results.terminal import height, largest

ORDER = (BREAKS, OPEN)  # answers that a reader must see first
TAU = (
    "tau: Kendall's tau-b of two orders; 1 is the same order, -1 the opposite."
)


def show(
    found: Sequence[Study], details: bool, console: Console | None = None
) -> None:
    """Print the report: on one screen, or every table of it.

    Args:
        found (Sequence[Study]): At least one.
        details (bool): Every table.
        console (Console, optional): Where to; standard output.
    """
    console = console or output()
    if details:
        show_grids(grids(found), console)
        return
    studies = sorted(shown_studies(found), key=_urgency)
    head = [Text(f'{HEADING}: {totals(studies)}', 'bold')]
    foot = [Text(f'{TAU} All tables: {DETAILS}', 'dim')]
    used = sum(height(part, console) for part in [*head, *foot])
    most = largest(
        lambda n: _answers(studies, n),
        len(studies),
        screen_of(console) - used,
        console,
    )
    for part in [*head, _answers(studies, max(most, 1)), *foot]:
        console.print(part)


def _urgency(study: Study) -> tuple[int, bool, bool]:
    """Sort key: what does not hold, what is open, then other settings."""
    if study.kind == TASKS:
        return len(ORDER), True, False
    place, _ = headings.metric_order(study.task, study.metric)
    answer = study.answer if study.from_headline else ''
    urgent = ORDER.index(answer) if answer in ORDER else len(ORDER)
    return urgent, len(study.conditions) == 1, place > 0


def totals(studies: Sequence[Study]) -> str:
    """``2 hold, 1 does not hold``: of the headline orders."""
    counts = Counter(
        study.answer
        for study in studies
        if study.kind != TASKS and study.from_headline
    )
    parts = []
    for answer, count in counts.items():
        text = 'is open' if answer == OPEN else answer
        if count > 1:
            text = {BREAKS: 'do not hold', OPEN: 'are open'}.get(
                answer, answer.replace(HOLDS, 'hold', 1)
            )
        parts.append(f'{count} {text}')
    return ', '.join(parts) or 'one setting each, see the seeds'


def _answers(studies: Sequence[Study], most: int) -> RenderableType:
    shown = Table.grid(padding=(0, 1, 0, 0))
    for study in studies[:most]:
        shown.add_row('-', _answer(study))
    if len(studies) > most:
        shown.add_row('', f'and {len(studies) - most} more: {DETAILS}')
    return shown


def _answer(study: Study) -> Text:
    """What a study is of, its sentence and its lowest tau."""
    alone = study.kind != TASKS and len(study.conditions) == 1
    title = SEEDS if alone else TITLES[study.kind]
    parts = []
    if study.kind == TASKS:
        pairs, flips = len(study.changes), _flips(study)
        parts.append(
            f'{pairs} pair{"s"[: pairs != 1]} of tasks, '
            f'{flips} flip{"s"[: flips != 1]}.'
        )
    elif not alone:
        parts.append(sentence(study))
    for name, taus in (
        ('Lowest tau', [change.tau for change in study.changes]),
        (
            'Lowest tau between seeds',
            [tau for seeds in study.seeds for tau in seeds.known],
        ),
    ):
        known = [tau for tau in taus if tau is not None]
        if known:
            parts.append(f'{name} {rounding.fixed(min(known), 2)}.')
    return Text.assemble(
        (f'{title}: {subject(study)}', 'bold'), f'. {" ".join(parts)}'
    )


def _flips(study: Study) -> int:
    return sum(len(change.flips) for change in study.changes)
