"""The report of a judgement: on the terminal, and as three files.

All show the same sentences and the same rounded numbers; the JSON file has
them in full precision. docs/judge.md says what each field is.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ssl_bench.errors import shown
from ssl_bench.files import write_text
from ssl_bench.judge.answers import NAME, Line, Verdict
from ssl_bench.judge.data_check import OPTION, DataCheck
from ssl_bench.judge.json_file import json_text
from ssl_bench.judge.line_table import line_grids
from ssl_bench.judge.scores import SUPERVISED, Study
from ssl_bench.judge.verdict import lines, verdicts
from ssl_bench.progress import clock
from ssl_bench.results.grid import Grid
from ssl_bench.results.markup import escape_markdown, grid_to_markdown
from ssl_bench.results.wrapping import wrap

if TYPE_CHECKING:
    from rich.console import Console

FILES = JSON, MARKDOWN, PAGE = 'judge.json', 'judge.md', 'judge.html'
DATA, RUN, NEXT = 'Data', 'What was run', 'Next steps'
WIDEST = 100  # columns of text
FAILED = 5  # runs that are named


@dataclass(frozen=True)
class Report:
    """What is shown; made by `make_report`.

    Attributes:
        study (Study): What was run.
        check (DataCheck, optional): Images that were seen before.
        verdicts (tuple[Verdict, ...]), lines (tuple[Line, ...]): As of
            `ssl_bench.judge.verdict`.
    """

    study: Study
    check: DataCheck | None
    verdicts: tuple[Verdict, ...]
    lines: tuple[Line, ...]

    @property
    def title(self) -> str:
        """The question."""
        return f'Did pretraining help on {shown(self.study.data, NAME)}?'

    @property
    def sentences(self) -> list[str]:
        """The answers; what a checkpoint has seen before is part of them."""
        return [
            ' '.join([one.sentence, *self._seen(one.versus.weights)])
            for one in self.verdicts
        ]

    def _seen(self, label: str) -> list[str]:
        """That a pretraining has seen test images."""
        found = self.check and self.check.pretrain.get(label)
        if not found or not found.found:
            return []
        count = len(found.found)
        verb = 'is' if count == 1 else 'are'
        return [
            f'But {count} of {found.tested} test images '
            f'({found.share:.1f}%) {verb} among those of its pretraining.'
        ]

    @property
    def data(self) -> list[str]:
        """Which test images were seen before."""
        if self.check is None:
            return ['Duplicates were not looked for.']
        found = [
            f'{shown(label, NAME)}, pretraining: {one.text}.'
            for label, one in self.check.pretrain.items()
        ]
        found += [
            f'{shown(label, NAME)}, pretraining: '
            + (
                note
                if label in self.check.pretrain
                else f'not checked, {note}'
            )
            + '.'
            for label, note in self.check.notes.items()
        ]
        return [*found, f'Training: {self.check.train.text}.']

    @property
    def run(self) -> list[str]:
        """What was run, how long it took, and what failed."""
        study = self.study
        seeds = sorted({score.seed for score in study.scores})
        notes = study.settings.get('notes')
        others = len(study.failed) - FAILED
        return [
            f'{len(study.scores)} scores of {shown(study.task)}, seeds '
            f'{", ".join(map(str, seeds))}, in {clock(study.seconds)}.',
            *map(shown, notes if isinstance(notes, list) else ()),
            *(f'failed: {shown(line)}' for line in study.failed[:FAILED]),
            *([f'{others} others failed: {JSON} names them.'] * (others > 0)),
        ]

    @property
    def next_steps(self) -> list[str]:
        """What can be done where something is open."""
        found = []
        more = max((one.more or 0 for one in self.verdicts), default=0)
        if more and not self.study.failed:
            found.append(
                f'Add {more} seed{"s" * (more > 1)} (--seeds): finished runs '
                'are not repeated.'
            )
        if self.study.failed:
            found.append(
                'Run the same command again: failed runs are repeated.'
            )
        if self.check and set(self.check.notes) - set(self.check.pretrain):
            found.append(f'Name the images of the pretraining: {OPTION} DIR.')
        kinds = {score.control for score in self.study.scores}
        if SUPERVISED not in kinds:
            found.append(
                'Compare with supervised weights, too: --supervised FILE.'
            )
        return found

    @property
    def grids(self) -> list[Grid]:
        """A table of lines for each checkpoint and control."""
        return line_grids(self.lines, self.study)

    def sections(self) -> list[tuple[str, list[str]]]:
        """Headings and points below the table."""
        found = [(DATA, self.data), (RUN, self.run), (NEXT, self.next_steps)]
        return [(title, texts) for title, texts in found if texts]


def make_report(study: Study, check: DataCheck | None = None) -> Report:
    """Decide on the scores.

    Args:
        study (Study): What was run.
        check (DataCheck, optional): Images that were seen before.
    """
    return Report(
        study,
        check,
        tuple(
            verdicts(
                study.scores, study.higher_is_better, study.unit, study.places
            )
        ),
        tuple(lines(study.scores, study.higher_is_better)),
    )


def show_report(report: Report, console: 'Console | None' = None) -> None:
    """Print it; the sentences come first.

    Args:
        report (Report): As of `make_report`.
        console (Console, optional): Where to; standard output.
    """
    from rich.text import Text

    from ssl_bench.results.screen import output
    from ssl_bench.results.terminal import to_rich

    console = console or output()
    width = min(console.width, WIDEST)

    def say(text: str, indent: str = '', style: str = '') -> None:
        for number, line in enumerate(wrap(text, width - 2 * len(indent))):
            begin = indent * (2 if number else 1)
            console.print(Text(begin + line, style), soft_wrap=True)

    say(report.title, style='bold')
    for sentence in report.sentences:
        console.print()
        say(sentence)
    console.print()
    for grid in report.grids:
        console.print(to_rich(grid, width), width=width)
    for title, texts in report.sections():
        say(title, style='bold')
        for text in texts:
            say(text, '  ')


def to_json(report: Report) -> str:
    """The report for programs."""
    return json_text(
        report.study,
        report.check,
        dict(zip(report.sentences, report.verdicts)),
        report.lines,
    )


def to_markdown(report: Report) -> str:
    """The report as Markdown."""
    parts = [f'# {escape_markdown(report.title)}']
    parts += [escape_markdown(text) for text in report.sentences]
    parts += [grid_to_markdown(grid).rstrip() for grid in report.grids]
    for title, texts in report.sections():
        points = '\n'.join(f'- {escape_markdown(text)}' for text in texts)
        parts.append(f'## {title}\n\n{points}')
    return '\n\n'.join(parts) + '\n'


def to_html(report: Report) -> str:
    """The report as a page that needs nothing else."""
    from ssl_bench.results.report import plain_page

    return plain_page(
        report.title,
        report.grids,
        texts=report.sentences,
        lists=dict(report.sections()),
    )


def write_report(report: Report, folder: str | Path) -> list[Path]:
    """Write the three files; each is whole or not there.

    Args:
        report (Report): As of `make_report`.
        folder (str | Path): Is made if it is missing.

    Raises:
        UserError: It cannot be written.
    """
    makers = (to_json, to_markdown, to_html)
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = [Path(folder) / name for name in FILES]
    for path, make in zip(paths, makers):
        write_text(path, make(report))
    return paths
