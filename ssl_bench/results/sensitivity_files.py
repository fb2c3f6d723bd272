"""The report on sensitivity as files: CSV, JSON, Markdown, LaTeX, a page."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from ssl_bench.results import latex, markup
from ssl_bench.results.record import Problem
from ssl_bench.results.sensitivity_text import (
    HEADING,
    counts,
    grids,
    headline_order,
    sentence,
)
from ssl_bench.results.sensitivity_types import (
    ALL,
    TASKS,
    Change,
    PairChange,
    Seeds,
    Study,
)
from ssl_bench.results.text_formats import (
    answer,
    as_text,
    comparison_object,
    number,
)

COLUMNS = (
    'row',
    'kind',
    'task',
    'metric',
    'backbone',
    'varies',
    'first',
    'second',
    'methods',
    'tau',
    'turned',
    'flips',
    'equal',
    'method',
    'other',
    'first_diff',
    'first_answer',
    'second_diff',
    'second_answer',
    'verdict',
)
# Columns of numbers, which may begin with a minus sign.
NUMBERS = (
    'methods',
    'tau',
    'turned',
    'flips',
    'equal',
    'first_diff',
    'second_diff',
)


def _lines_of(study: Study) -> Iterator[dict[str, str]]:
    """The rows of the CSV."""
    common = dict(
        kind=study.kind,
        task=study.task,
        metric=study.metric,
        backbone=study.backbone,
    )
    if study.kind != TASKS:
        yield dict(
            common,
            row='headline',
            first=study.headline.name,
            methods=str(len(study.order)),
            verdict=f'{study.answer}: {headline_order(study)}',
        )
    for method, name in study.not_covered:
        yield dict(
            common, row='not covered', first=name, method=study.labels[method]
        )
    for change in study.changes:
        settings = dict(
            common,
            varies='; '.join(change.first.varies(change.second)),
            first=change.first.name,
            second=change.second.name,
        )
        yield dict(
            settings,
            row='ranking',
            methods=str(len(change.methods)),
            tau=number(change.tau),
            turned=str(len(change.turned)),
            flips=str(len(change.flips)),
            equal=str(change.ties),
        )
        for pair in change.pairs:
            yield dict(settings, row='pair', **_pair_cells(study, pair))
    for seeds in study.seeds:
        yield from _seed_lines(study, seeds, common)


def _pair_cells(study: Study, pair: PairChange) -> dict[str, str]:
    own, other = (study.labels[method] for method in pair.methods)
    return dict(
        method=own,
        other=other,
        first_diff=number(pair.first.difference),
        first_answer=answer(pair.first),
        second_diff=number(pair.second.difference),
        second_answer=answer(pair.second),
        verdict=pair.verdict,
    )


def _seed_lines(
    study: Study, seeds: Seeds, common: dict[str, str]
) -> Iterator[dict[str, str]]:
    common = dict(common, varies='seed')
    for (first, second), tau in seeds.taus.items():
        yield dict(
            common,
            row='ranking',
            first=f'{seeds.condition.name}, seed {first}',
            second=f'{seeds.condition.name}, seed {second}',
            tau=number(tau),
        )
    for pair in seeds.pairs:
        own, other = (study.labels[method] for method in pair.methods)
        yield dict(
            common,
            row='pair',
            first=seeds.condition.name,
            method=own,
            other=other,
            first_diff=number(pair.answer.difference),
            first_answer=answer(pair.answer),
            verdict=counts(pair),
        )


def to_csv(found: Sequence[Study]) -> str:
    """Every comparison and every pair; the same records, the same bytes."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval='', lineterminator='\n')
    writer.writeheader()
    for study in found:
        for line in _lines_of(study):
            writer.writerow(
                {
                    name: cell if name in NUMBERS else as_text(cell)
                    for name, cell in line.items()
                }
            )
    return text.getvalue()


def _change_object(study: Study, change: Change) -> dict[str, Any]:
    return dict(
        first=change.first.name,
        second=change.second.name,
        varies=change.first.varies(change.second),
        methods=[study.labels[method] for method in change.methods],
        tau=change.tau,
        turned=len(change.turned),
        flips=len(change.flips),
        equal=change.ties,
        pairs=[
            dict(
                methods=[study.labels[method] for method in pair.methods],
                first=comparison_object(pair.first),
                second=comparison_object(pair.second),
                verdict=pair.verdict,
            )
            for pair in change.pairs
        ],
    )


def _seeds_object(study: Study, seeds: Seeds) -> dict[str, Any]:
    return dict(
        settings=seeds.condition.name,
        taus=[dict(seeds=pair, tau=tau) for pair, tau in seeds.taus.items()],
        pairs=[
            dict(
                methods=[study.labels[method] for method in pair.methods],
                ahead=pair.ahead,
                equal=pair.equal,
                behind=pair.behind,
                all=comparison_object(pair.answer),
            )
            for pair in seeds.pairs
        ],
    )


def _study_object(study: Study) -> dict[str, Any]:
    headline = dict(
        settings=study.headline.name,
        order=[study.labels[method] for method in study.order],
        answer=study.answer,
        text=sentence(study),
    )
    return dict(
        kind=study.kind,
        task=study.task or None,
        metric=study.metric or None,
        backbone=None if study.backbone == ALL else study.backbone,
        headline=None if study.kind == TASKS else headline,
        comparisons=[_change_object(study, c) for c in study.changes],
        seeds=[_seeds_object(study, seeds) for seeds in study.seeds],
        not_covered=[
            dict(method=study.labels[method], only=name)
            for method, name in study.not_covered
        ],
    )


def to_json(found: Sequence[Study], problems: Sequence[Problem]) -> str:
    """The studies and the warnings as one JSON object."""
    content = dict(
        schema=1,
        studies=[_study_object(study) for study in found],
        warnings=[
            dict(kind=p.kind, message=p.message, files=p.paths)
            for p in problems
        ],
    )
    return (
        json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        + '\n'
    )


def render(
    found: Sequence[Study], problems: Sequence[Problem], name: str
) -> str:
    """The whole file: csv, md, latex, json or html."""
    if name == 'html':
        from ssl_bench.results.report import plain_page

        return plain_page(HEADING, grids(found), problems)
    if name == 'csv':
        return to_csv(found)
    if name == 'json':
        return to_json(found, problems)
    make = markup.to_markdown if name == 'md' else latex.to_latex
    return make(grids(found), problems)
