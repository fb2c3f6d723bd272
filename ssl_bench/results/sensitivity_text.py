"""The report on sensitivity in sentences and tables."""

from collections.abc import Sequence

from ssl_bench.results import headings, rounding, stats, wording
from ssl_bench.results.grid import Grid, Part, lines, shown_metrics
from ssl_bench.results.sensitivity_types import (
    BREAKS,
    EQUAL_BOTH,
    FLIP,
    HOLDS,
    OPEN,
    PRETRAINING,
    SETTINGS,
    TASKS,
    Condition,
    PairChange,
    SeedPair,
    Study,
)

TITLES = {
    SETTINGS: 'Other settings',
    PRETRAINING: 'Other pretraining',
    TASKS: 'Other tasks',
}
SEEDS = 'Single seeds'
HEADING = 'Whether rankings hold'
LEGEND = (
    "tau: Kendall's tau-b of the means, over the methods that both have; 1 is "
    'the same order, -1 the opposite, - fewer than 3 methods or no order. '
    'A pair turns where its means have the opposite order. flip: it turns, '
    'and each of the two shows another method to be better. tie: the means '
    'are equal, or they turn within the spread over seeds. open: they turn, '
    'and one seed, or seeds that changed nothing, cannot tell more. '
    + wording.RULE
)
HALF = 34  # characters of a cell where two are side by side
MAX_SHOWN = 20  # pairs in a table; the files have all
MAX_NAMED = 3  # pairs in a sentence


def subject(study: Study) -> str:
    """``mini kNN (mini_knn), top1, resnet18``: what a study is of."""
    if study.kind == TASKS:
        return study.backbone
    title = headings.heading(study.task).title
    metric = headings.metric_title(study.task, study.metric)
    names = f'{title} ({study.task})' if title != study.task else title
    return f'{names}, {metric}, {study.backbone}'


def headline_order(study: Study) -> str:
    """``A 45.2, B 44.0, C 12.1``: the best first."""
    rows, places = study.headline.rows, study.headline.places
    return ', '.join(
        f'{study.labels[method]} '
        f'{rounding.fixed(rows[method].mean or 0.0, places)}'
        for method in study.order
    )


def sentence(study: Study) -> str:
    """Whether the headline order holds, and what breaks it."""
    changes = study.from_headline
    settings = len(changes)
    others = f'{settings} other setting{"s"[: settings > 1]}'
    moved = [
        (change, pair)
        for change in changes
        for pair in change.pairs
        if pair.verdict != EQUAL_BOTH
    ]
    if not changes:
        if len(study.conditions) == 1:
            return 'The records have one setting; see the seeds.'
        return (
            'Whether the headline order holds is open: no other setting '
            'shares two methods with it.'
        )
    if study.answer == HOLDS:
        return f'The headline order holds in {others}: no pair turns.'
    if study.answer == BREAKS:
        flips = [(c, p) for c, p in moved if p.verdict == FLIP]
        return 'The headline order does not hold. ' + _named(
            [
                f'{study.labels[pair.methods[0]]} is {pair.first.answer} than '
                f'{study.labels[pair.methods[1]]} with {change.first.name}, '
                f'{pair.second.answer} with {change.second.name}'
                for change, pair in flips
            ]
        )
    named = _named(
        [
            f'{study.labels[pair.methods[0]]} and '
            f'{study.labels[pair.methods[1]]} with {change.second.name} '
            f'({pair.verdict})'
            for change, pair in moved
        ]
    )
    if study.answer == OPEN:
        return (
            'Whether the headline order holds is open. Pairs of means that '
            f'turn: {named}'
        )
    return (
        f'In {others} no flip is shown: the headline order holds within the '
        f'spread over seeds. Pairs that turn or are equal: {named}'
    )


def _named(texts: Sequence[str]) -> str:
    more = len(texts) - MAX_NAMED
    rest = f'; and {more} more' if more > 0 else ''
    return '; '.join(texts[:MAX_NAMED]) + rest + '.'


def shown_studies(found: Sequence[Study]) -> list[Study]:
    """Without the metrics that the tables of the leaderboard leave out."""
    return [
        study
        for study in found
        if study.kind == TASKS
        or study.metric
        in shown_metrics(
            [
                row
                for other in found
                for row in other.headline.rows.values()
                if row.task == study.task
            ],
            study.task,
        )
    ]


def grids(found: Sequence[Study]) -> list[Grid]:
    """The overview, then the tables of each study."""
    shown = shown_studies(found)
    tables = [grid for study in shown for grid in _study_grids(study)]
    if len(shown) > 1:
        tables.insert(0, _overview(shown))
    tables[-1].notes.append(LEGEND)
    return tables


def _overview(found: Sequence[Study]) -> Grid:
    body = []
    for study in found:
        taus = [c.tau for c in study.changes if c.tau is not None]
        of_seeds = [tau for seeds in study.seeds for tau in seeds.known]
        answered = study.kind != TASKS and study.from_headline
        alone = study.kind == SETTINGS and len(study.conditions) == 1
        flips = str(sum(len(c.flips) for c in study.changes))
        body.append(
            [
                [
                    Part(SEEDS if alone else TITLES[study.kind], 'name'),
                    *lines(subject(study), width=HALF),
                ],
                [Part(_tau(min(taus, default=None)))],
                [Part(flips if study.changes else '-')],
                [Part(_tau(min(of_seeds, default=None)))],
                lines(study.answer if answered else '-', width=11),
            ]
        )
    return Grid(
        'Does the headline order hold',
        [
            'rankings',
            'lowest\ntau',
            'flips',
            'tau of\nseeds',
            'headline\norder',
        ],
        body,
    )


def _study_grids(study: Study) -> list[Grid]:
    made = []
    if study.changes or len(study.conditions) > 1:
        made.append(_rankings(study))
    if study.seeds:
        made.append(_seeds(study))
    made[0].notes = [*_notes(study), *made[0].notes]
    pairs = _pairs(study)
    return [*made, pairs] if pairs.body else made


def _notes(study: Study) -> list[str]:
    """The headline order, what becomes of it, who is not covered."""
    if study.kind == TASKS:
        return []
    notes = [
        f'Headline order ({study.headline.name}): {headline_order(study)}.',
        sentence(study),
    ]
    if study.not_covered:
        names = ', '.join(
            f'{study.labels[method]} (only {name})'
            for method, name in study.not_covered
        )
        notes.append(f'Not covered: {names}.')
    return notes


def _rankings(study: Study) -> Grid:
    body = [
        [
            [
                *lines(change.first.name, 'name'),
                *lines(f'and {change.second.name}'),
            ],
            [Part(str(len(change.methods)))],
            [Part(_tau(change.tau), 'measured')],
            [Part(str(len(change.turned)))],
            [Part(str(len(change.flips)))],
            [Part(str(change.ties))],
        ]
        for change in study.changes
    ]
    heads = [
        'rankings with',
        'methods',
        'tau',
        'pairs that\nturn',
        'flips',
        'equal\nmeans',
    ]
    return Grid(f'{TITLES[study.kind]}: {subject(study)}', heads, body)


def _seeds(study: Study) -> Grid:
    body = []
    for seeds in study.seeds:
        known = seeds.known
        average = stats.mean(known) if known else None
        body.append(
            [
                lines(seeds.condition.name, 'name'),
                [Part(', '.join(map(str, seeds.seeds)))],
                [Part(_tau(average), 'measured')],
                [Part(_tau(min(known, default=None)))],
                [Part(str(len(seeds.pairs)))],
            ]
        )
    return Grid(
        f'{SEEDS}: {subject(study)}',
        ['settings', 'seeds', 'mean\ntau', 'lowest\ntau', 'pairs that\nturn'],
        body,
    )


def _pairs(study: Study) -> Grid:
    """Pairs that change their order or are equal; flips first."""
    changed = [(c, p) for c in study.changes for p in c.pairs]
    changed.sort(key=lambda item: item[1].verdict != FLIP)
    of_seeds = [(s, p) for s in study.seeds for p in s.pairs]
    body = [
        [
            _names(study, pair, pair.verdict),
            [
                *_answer(change.first, pair.first),
                *_answer(change.second, pair.second),
            ],
        ]
        for change, pair in changed[:MAX_SHOWN]
    ]
    body += [
        [
            _names(study, pair, 'changes with the seed'),
            [
                *_narrow(f'{seeds.condition.name}:'),
                *_narrow(counts(pair), 'difference'),
                *_answer(seeds.condition, pair.answer, 'over all seeds'),
            ],
        ]
        for seeds, pair in of_seeds[: MAX_SHOWN - len(body)]
    ]
    more = len(changed) + len(of_seeds) - len(body)
    return Grid(
        f'Pairs that turn or are equal: {subject(study)}',
        ['pair', 'the first one is'],
        body,
        names=2,
        notes=[f'{more} more pairs are in the CSV and JSON files.']
        if more
        else [],
    )


def _names(
    study: Study, pair: PairChange | SeedPair, verdict: str
) -> list[Part]:
    own, other = (study.labels[method] for method in pair.methods)
    return [
        *_narrow(own, 'name'),
        *_narrow(f'and {other}', 'name'),
        *_narrow(verdict, 'measured'),
    ]


def _narrow(text: str, kind: str = 'published') -> list[Part]:
    return lines(text, kind, HALF)


def _answer(
    condition: Condition, found: stats.Comparison, name: str = ''
) -> list[Part]:
    text = wording.comparison(found, condition.places)
    name = name or condition.name
    return [*_narrow(f'{name}:'), *_narrow(text, 'difference')]


def counts(pair: SeedPair) -> str:
    """``better with 2 seeds, worse with 1``."""
    counts = {'equal': pair.equal, 'worse': pair.behind}
    parts = [f'better with {pair.ahead} seed{"s"[: pair.ahead != 1]}']
    parts += [
        f'{name} with {count}' for name, count in counts.items() if count
    ]
    return ', '.join(parts)


def _tau(tau: float | None) -> str:
    return '-' if tau is None else rounding.fixed(tau, 2)
