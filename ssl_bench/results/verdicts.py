"""What the leaderboard says in sentences: who leads, and is it real."""

from dataclasses import dataclass

from ssl_bench.errors import shown
from ssl_bench.results import headings, rounding, stats, wording
from ssl_bench.results.columns import Columns
from ssl_bench.results.names import backbone_key, is_random, is_supervised
from ssl_bench.results.pairs import Pairs
from ssl_bench.results.row_names import row_names
from ssl_bench.results.table import Board, Row

KINDS = DECIDED, UNDECIDED, ALONE = 'decided', 'undecided', 'alone'
LEAD, HELP = 'lead', 'pretraining'
# a departure of runs that are to show only that everything works
TRIAL = 'trial=True'
NAMES = 3  # methods that the headline names


@dataclass(frozen=True)
class Answer:
    """One part of a verdict.

    Args:
        about (str): `LEAD`: who is the best; `HELP`: whether pretraining
            helps, by the best pretrained method that is shown to be better
            than random weights, else by the best one.
        text (str): ``InsLoc leads MoCo v2 by 0.8 [0.3, 1.3], 3 paired
            seeds``.
        kind (str): ``decided``, ``undecided`` or ``alone``.
    """

    about: str
    text: str
    kind: str


@dataclass(frozen=True)
class Verdict:
    """What is said about one task, backbone and protocol.

    Args:
        task, metric, network (str): What it is about; ``network`` as
            `Row.network`.
        title (str): The task's heading, and what sets the protocol apart.
        answers (list[Answer]): One or two.
        rows (list[Row]): Those that are compared, the best mean first.
        left_out (int): How many of them have one seed and others more.
        earlier (int): As `Column.earlier`.
    """

    task: str
    metric: str
    network: str
    title: str
    answers: list[Answer]
    rows: list[Row]
    left_out: int = 0
    earlier: int = 0

    @property
    def kind(self) -> str:
        """``decided`` where an answer is, else ``undecided``, ``alone``."""
        kinds = [answer.kind for answer in self.answers]
        return DECIDED if DECIDED in kinds else kinds[0]

    @property
    def text(self) -> str:
        """Without the task: the answers in one line."""
        parts = [answer.text for answer in self.answers]
        return '; '.join([*parts, *filter(None, [self.note])])

    @property
    def note(self) -> str:
        """``2 with one seed left out``, or empty."""
        return f'{self.left_out} with one seed left out' * bool(self.left_out)


@dataclass(frozen=True)
class Reproduction:
    """How many measured numbers agree with the printed ones.

    Args:
        reproduced, within_noise, off (int): By `stats.verdict`.
        undecided (int): Numbers of one seed.
    """

    reproduced: int
    within_noise: int
    off: int
    undecided: int

    @property
    def total(self) -> int:
        """Measured numbers next to a printed one."""
        return sum((self.reproduced, self.within_noise, self.off)) + (
            self.undecided
        )

    def __str__(self) -> str:
        """``21 of 30 printed numbers reproduced, 4 within noise, 3 off``."""
        more = [
            f'{count} {name}'
            for count, name in (
                (self.within_noise, 'within noise'),
                (self.off, 'off'),
                (self.undecided, 'undecided: one seed'),
            )
            if count
        ]
        first = f'{self.reproduced} of {self.total} printed numbers reproduced'
        return ', '.join([first, *more])


def reproduction(board: Board) -> Reproduction:
    """Count the verdicts of measured rows next to printed numbers."""
    found = [row.verdict for row in board.measured if row.verdict]
    return Reproduction(
        found.count('reproduced'),
        found.count('within noise'),
        found.count('off'),
        found.count(stats.UNDECIDED_ONE_SEED),
    )


def is_trial(row: Row) -> bool:
    """Whether a row's numbers mean nothing, as its records say."""
    return TRIAL in row.departures


def trial_note(board: Board) -> str:
    """What a reader must know first of a board with trial runs, else ''."""
    rows = board.measured
    trials = [row for row in rows if is_trial(row)]
    if not trials:
        return ''
    if len(trials) == len(rows):
        whose = 'These are trial runs'
    else:
        whose = f'{len(trials)} of {len(rows)} measured rows are trial runs'
    return (
        f'{whose} ({TRIAL}): a few steps, to show that everything works. '
        'Their numbers mean nothing.'
    )


def verdicts(board: Board, columns: Columns | None = None) -> list[Verdict]:
    """What is said of each task, backbone and protocol, in main metrics.

    Trial runs have none.

    Returns:
        list[Verdict]: What is decided is first, in the order of the tasks;
        earlier settings are last.
    """
    columns, pairs = columns or Columns(board), Pairs(board)
    found = []
    for group in board.groups:
        first = group.rows[0]
        if (
            is_trial(first)
            or columns.of(first) is None
            or headings.higher_is_better(first.task, first.metric) is None
        ):
            continue
        by_backbone: dict[str, list[Row]] = {}
        for row in group.rows:
            key = backbone_key(row.backbone)
            by_backbone.setdefault(key, []).append(row)
        found += [
            _verdict(rows, pairs, columns) for rows in by_backbone.values()
        ]
    return sorted(
        found,
        key=lambda v: (
            v.earlier,
            KINDS.index(v.kind),
            headings.task_order(v.task),
            -len(v.rows),
            v.network,
            v.title,
        ),
    )


def _verdict(rows: list[Row], pairs: Pairs, columns: Columns) -> Verdict:
    first, column = rows[0], columns.of(rows[0])
    group = _Group(rows, pairs)
    return Verdict(
        first.task,
        first.metric,
        first.network,
        column.title if column else first.task,
        group.answers(),
        rows,
        len(rows) - len(group.able) if len(group.able) > 1 else 0,
        column.earlier if column else 0,
    )


class _Group:
    """Sentences about rows that are compared with each other.

    Args:
        rows (list[Row]): The best mean first.
        pairs (Pairs): Of their board.

    Attributes:
        able (list[Row]): Those that have two seeds or more.
    """

    def __init__(self, rows: list[Row], pairs: Pairs) -> None:
        self.rows, self.pairs = rows, pairs
        self.able = [row for row in rows if len(row.values) > 1]
        self.names = {id(row): name for row, name in zip(rows, _names(rows))}

    def answers(self) -> list[Answer]:
        """Who leads, and whether pretraining helps; one where it is one."""
        able = self.able
        if len(self.rows) == 1:
            name = self.names[id(self.rows[0])]
            text = f'{name} alone: nothing to compare with'
            return [Answer(LEAD, text, ALONE)]
        if len(able) < 2:
            who = 'one seed each' if not able else 'one seed of the others'
            return [Answer(LEAD, f'undecided: {who}', UNDECIDED)]
        random = next((row for row in able if is_random(row.method)), None)
        tried = [row for row in able if not is_random(row.method)]
        own = [row for row in tried if not is_supervised(row.method)] or tried
        if random is None or not own:
            return [self.lead(able[0], able[1])]
        # of the best mean nothing may be shown, and of the next one much
        pretrained = next(
            (row for row in own if self.is_better(row, random)), own[0]
        )
        found = [self.help(pretrained, random)]
        if {id(row) for row in able[:2]} != {id(random), id(pretrained)}:
            found.insert(0, self.lead(able[0], able[1]))
        return found

    def is_better(self, row: Row, other: Row) -> bool:
        """Whether a row is shown to be better than another."""
        found = self.pairs.between(row, other)
        return found is not None and found.answer == stats.BETTER

    def lead(self, row: Row, other: Row) -> Answer:
        """The best mean against the next one."""
        found = self.pairs.between(row, other)
        decided = found is not None and found.decided
        kind = DECIDED if decided else UNDECIDED
        return Answer(LEAD, self.pair(row, other), kind)

    def help(self, row: Row, random: Row) -> Answer:
        """A pretrained method against random weights."""
        if self.is_better(row, random):
            text = f'pretraining helps: {self.pair(row, random)}'
            return Answer(HELP, text, DECIDED)
        if self.is_better(random, row):
            text = f'pretraining does not help: {self.pair(random, row)}'
            return Answer(HELP, text, DECIDED)
        text = self.pair(row, random).removeprefix('undecided: ')
        text = f'not shown that pretraining helps: {text}'
        return Answer(HELP, text, UNDECIDED)

    def pair(self, row: Row, other: Row) -> str:
        """``InsLoc leads MoCo v2 by 0.8 [0.3, 1.3], 3 paired seeds``."""
        found = self.pairs.between(row, other)
        names = self.names[id(row)], self.names[id(other)]
        if found is None:
            return f'{names[0]} and {names[1]} are not compared'
        if found.interval is None:
            return f'undecided: {names[0]} and {names[1]}, {found.reason}'
        unit = _unit(row)
        if not found.decided:
            gap = rounding.signed(found.difference, row.places)
            bounds = rounding.signed_bounds(found.interval, row.places)
            why = wording.reason(found)
            return (
                f'undecided: {names[0]} and {names[1]} differ by {gap} '
                f'{bounds}{unit}, {_seeds(found)}{", " * bool(why)}{why}'
            )
        low, high = found.interval
        if found.difference < 0:
            low, high = -high, -low
        leads = 'leads' if found.answer == stats.BETTER else 'trails'
        return (
            f'{names[0]} {leads} {names[1]} by '
            f'{rounding.fixed(abs(found.difference), row.places)} '
            f'{rounding.bounds((low, high), row.places)}{unit}, '
            f'{_seeds(found)}'
        )


def _names(rows: list[Row]) -> list[str]:
    """Names of rows of one table, as other tables have them; none is twice."""
    found: list[str] = []
    counts: dict[str, int] = {}
    for name in row_names(rows):
        number = counts[name] = counts.get(name, 0) + 1
        found.append(f'{name} #{number}' if number > 1 else name)
    return found


def count_methods(rows: list[Row]) -> int:
    """How many methods there are, whatever their backbones.

    Another pretraining (variant, data, epochs) is another method.
    """
    return len({(*row.method_id[:2], *row.method_id[3:]) for row in rows})


def headline(board: Board) -> str:
    """What the page is about: ``InsLoc, MoCo v2 and Random init on 4 tasks``.

    Of printed rows alone, their methods and tasks are counted.
    """
    rows = board.measured or board.rows
    count = count_methods(rows)
    methods = list(dict.fromkeys(row.name for row in rows))
    tasks = len({row.task for row in rows})
    on = f'{tasks} task' + 's' * (tasks != 1)
    kind = '' if board.measured else 'Printed numbers: '
    if not rows:
        return 'No numbers'
    if count > NAMES or count > len(methods):
        return f'{kind}{count} methods on {on}'
    methods.sort(key=is_random)  # the control is last
    *most, last = (shown(name, 60) for name in methods)
    names = f'{", ".join(most)} and {last}' if most else last
    return f'{kind}{names} on {on}'


def _unit(row: Row) -> str:
    """A unit other than percent: `` metres``."""
    rule = headings.metric_rule(row.task, row.metric)
    plain = rule is None or rule.unit in ('', headings.PERCENT)
    return '' if plain or rule is None else f' {rule.unit}'


def _seeds(found: stats.Comparison) -> str:
    own, other = found.n
    return (
        f'{own} paired seeds' if found.paired else f'{own} and {other} seeds'
    )
