"""Which rows are compared with each other, and what that says of each."""

import itertools
from collections.abc import Iterator, Sequence

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.results import headings, stats
from ssl_bench.results.names import Wanted, backbone_key
from ssl_bench.results.table import (
    BEATEN,
    UNBEATEN,
    Group,
    Pair,
    Protocol,
    Row,
)


def compare_rows(
    rows: Sequence[Row], baseline: str | None = None
) -> list[Group]:
    """Give each measured row its place, and its difference to the baseline.

    Rows are compared within one task, metric, protocol and backbone; what was
    trained of the backbone is a part of the protocol. The
    comparisons with the baseline, which was named before, are one family of
    tests; all other pairs are another. So each pair has one answer.

    Args:
        rows (Sequence[Row]): Measured rows; the answers are written into
            them.
        baseline (str, optional): As `Wanted` reads it. When it names a
            backbone, rows of every backbone are compared with it.

    Returns:
        list[Group]: Every comparison that was made.

    Raises:
        UserError: No measured row, or several methods, have that name.
    """
    wanted = Wanted.parse(baseline) if baseline else None
    groups: dict[tuple[str, str, Protocol], list[Row]] = {}
    for row in rows:
        key = row.task, row.metric, row.protocol
        groups.setdefault(key, []).append(row)
    found = False
    compared = []
    for members in groups.values():
        members.sort(key=lambda row: row.sort_key)  # the best mean first
        baselines = _baselines(members, wanted) if wanted else {}
        found = found or bool(baselines)
        across = bool(wanted and wanted.backbone)
        compared.append(_compare_group(members, baselines, across))
    if wanted and not found:
        known = {
            f'{row.name} [{row.backbone}]' if wanted.backbone else row.name
            for row in rows
        }
        raise unknown_name('baseline', wanted.text, known)
    return compared


def baseline_rows(groups: Sequence[Group], baseline: str) -> list[Row]:
    """The rows that `compare_rows` took for the baseline."""
    wanted = Wanted.parse(baseline)
    return [
        group.rows[i]
        for group in groups
        for i in _baselines(group.rows, wanted).values()
    ]


def _baselines(members: list[Row], wanted: Wanted) -> dict[str, int]:
    """Backbone to the position of the row that is meant.

    Where a name fits several, the row that has this very name is meant: the
    one without a variant, or whose pretraining was not changed.

    Raises:
        UserError: Several rows of a backbone have that name.
    """
    fitting = [
        (i, row)
        for i, row in enumerate(members)
        if wanted.fits(
            row.method, row.variant, row.pretrain_epochs, row.backbone
        )
    ]
    plain = {backbone_key(r.backbone) for _, r in fitting if not r.variant}
    found: dict[str, int] = {}
    for i, row in fitting:
        if row.variant and backbone_key(row.backbone) in plain:
            continue
        first = found.setdefault(backbone_key(row.backbone), i)
        if first != i:
            raise UserError(
                f'baseline {wanted.text!r} fits both '
                f'{members[first].described} and {row.described} on '
                f'{row.task}; write "METHOD (VARIANT)@EPOCHS [BACKBONE]", '
                'or read the folders of one only'
            )
    return found


def _compare_group(
    members: list[Row], baselines: dict[str, int], across: bool
) -> Group:
    """Make the families of tests and write down what they show.

    Args:
        members (list[Row]): Of one task, metric and protocol, best first.
        baselines (dict[str, int]): Backbone to position of its baseline.
        across (bool): That one is for every backbone.
    """
    higher = headings.higher_is_better(members[0].task, members[0].metric)
    by_backbone: dict[str, list[int]] = {}
    bases: dict[int, int] = {}
    only = next(iter(baselines.values()), None)
    for i, row in enumerate(members):
        backbone = backbone_key(row.backbone)
        by_backbone.setdefault(backbone, []).append(i)
        base = only if across else baselines.get(backbone)
        if base is not None and base != i:
            bases[i] = base
    backbones = list(by_backbone.values())
    samples = [row.values for row in members]
    tested = [
        (pairs, stats.compare(samples, pairs, higher))
        for pairs in _families(bases, backbones, across)
        if pairs
    ]
    for pairs, family in tested:
        for k, (i, j) in enumerate(pairs if bases else ()):
            if bases.get(i) == j:
                members[i].difference = family[k]
    if higher is not None:
        for same in backbones:
            _stand(members, same, tested)
    return Group(members, tested)


def _families(
    bases: dict[int, int], backbones: list[list[int]], across: bool
) -> Iterator[list[Pair]]:
    """Pairs that are tested together; every pair is in one family only.

    Args:
        bases (dict[int, int]): Rows and their baseline.
        backbones (list[list[int]]): Rows of each backbone.
        across (bool): One baseline for every backbone.
    """
    if across:
        yield list(bases.items())
    for same in backbones:
        if not across:
            yield [(i, bases[i]) for i in same if i in bases]
        pairs = list(itertools.combinations(same, 2))
        if bases:
            pairs = [
                (i, j)
                for i, j in pairs
                if bases.get(i) != j and bases.get(j) != i
            ]
        yield pairs


def _stand(
    members: list[Row],
    same: list[int],
    tested: list[tuple[list[Pair], stats.Family]],
) -> None:
    """Place and standing of the rows of one backbone, the best mean first."""
    able = [i for i in same if len(members[i].values) > 1]
    for i in same:
        if len(members[i].values) == 1:
            members[i].standing = stats.UNDECIDED_ONE_SEED
    if len(able) < 2:
        return
    leader = able[0]
    better = dict.fromkeys(able, 0)  # how many rows are better than it
    for pairs, family in tested:
        for k in family.decided:
            i, j = pairs[k]
            if i in better and j in better:
                better[j if family.answer(k) == stats.BETTER else i] += 1
        for k, (i, j) in enumerate(pairs):
            if (i == leader or j == leader) and i in better and j in better:
                row = members[j if leader == i else i]
                row.leader = members[leader]
                found: stats.Comparison = family[k]
                row.to_leader = found if leader == j else found.turned()
    decided = any(better.values())
    for i, count in better.items():
        row = members[i]
        row.standing = stats.UNDECIDED
        if decided:
            row.place = count + 1
            row.standing = BEATEN if count else UNBEATEN
