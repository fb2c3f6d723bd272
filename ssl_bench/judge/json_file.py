"""A judgement as JSON: full precision, every score."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ssl_bench.judge.answers import Line, Verdict, Versus
from ssl_bench.judge.data_check import DataCheck
from ssl_bench.judge.duplicates import Duplicates
from ssl_bench.judge.scores import Score, Study
from ssl_bench.results import stats

FORMAT = 1


def json_text(
    study: Study,
    check: DataCheck | None,
    verdicts: Mapping[str, Verdict],
    lines: Sequence[Line],
) -> str:
    """The whole file; docs/judge.md says what each field is.

    Args:
        study (Study): What was run.
        check (DataCheck, optional): Images that were seen before.
        verdicts (Mapping[str, Verdict]): By their sentences.
        lines (Sequence[Line]): Of the table.
    """
    found = dict(
        format=FORMAT,
        data=study.data,
        task=study.task,
        metric=study.metric,
        unit=study.unit,
        higher_is_better=study.higher_is_better,
        places=study.places,
        seconds=study.seconds,
        settings=dict(study.settings),
        verdicts=[_verdict(*item) for item in verdicts.items()],
        lines=[_line(line) for line in lines],
        duplicates=check and _check(check),
        scores=[_score(score) for score in study.scores],
        failed=list(study.failed),
    )
    return json.dumps(found, indent=1, allow_nan=False) + '\n'


def _versus(versus: Versus) -> dict[str, Any]:
    return dict(
        weights=versus.weights, control=versus.control, kind=versus.kind
    )


def _tested(found: stats.Comparison | None) -> dict[str, Any]:
    """The numbers of a comparison; null where there is none."""
    low, high = (found and found.interval) or (None, None)
    return dict(
        difference=found and found.difference,
        low=low,
        high=high,
        p=found and found.p,
        p_holm=found and found.adjusted,
        tests=found and found.tests,
    )


def _cell(cell: tuple[str, float]) -> dict[str, Any]:
    return dict(mode=cell[0], fraction=cell[1])


def _verdict(sentence: str, one: Verdict) -> dict[str, Any]:
    return dict(
        _versus(one.versus),
        answer=one.answer,
        sentence=sentence,
        **_tested(one.found),
        seeds=list(one.seeds),
        cells=list(map(_cell, one.cells)),
        more_seeds=one.more,
        left_out=list(one.left_out),
    )


def _line(line: Line) -> dict[str, Any]:
    return dict(
        _versus(line.versus),
        **_cell(line.cell),
        own=line.means[0],
        other=line.means[1],
        **_tested(line.found),
        answer=line.found and line.found.answer,
        seeds=list(line.seeds),
        own_rates=list(line.rates[0]),
        other_rates=list(line.rates[1]),
    )


def _score(score: Score) -> dict[str, Any]:
    finite = math.isfinite(score.value)
    return dict(
        weights=score.weights,
        control=score.control,
        **_cell(score.cell),
        seed=score.seed,
        value=score.value if finite else None,
        rate=score.rate,
    )


def _check(check: DataCheck) -> dict[str, Any]:
    return dict(
        train=_duplicates(check.train),
        pretrain={
            label: _duplicates(one) for label, one in check.pretrain.items()
        },
        notes=dict(check.notes),
    )


def _duplicates(found: Duplicates) -> dict[str, Any]:
    return dict(
        place=found.place,
        images=found.images,
        tested=found.tested,
        count=len(found.found),
        share=found.share,
        unread=found.unread,
        seconds=found.seconds,
        found=[one._asdict() for one in found.found],
    )
