"""Where a pretraining starts: afresh, or from which checkpoint."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError
from ssl_bench.run_folder import (
    look_at,
    newest_checkpoint,
    numbered_checkpoints,
)


@dataclass
class Start:
    """What a pretraining does first.

    Attributes:
        checkpoint (Path, optional): To go on from.
        finished (bool): It is the last one of the run.
        replaced (list[Path]): Checkpoints of an earlier run that go.
    """

    checkpoint: Path | None = None
    finished: bool = False
    replaced: list[Path] = field(default_factory=list)


def find_start(
    folder: str | Path,
    loop: dict[str, Any],
    seed: int,
    resume: bool | str = False,
    force: bool = False,
) -> Start:
    """Decide where a pretraining starts.

    Args:
        folder (str | Path): Its work dir.
        loop (dict): The config's ``train_cfg``.
        seed (int): Of the run.
        resume (bool | str): From the newest checkpoint, from the file that
            is named, or ``'auto'``: from the newest if there is one.
        force (bool): Checkpoints of an earlier run may go.

    Raises:
        UserError: There is nothing to resume, or there are checkpoints and
            neither ``resume`` nor ``force`` says what becomes of them.
    """
    folder = Path(folder)
    there = numbered_checkpoints(folder)
    if isinstance(resume, str) and resume != 'auto':
        return _from_file(Path(resume), there, force)
    if resume and force:
        raise UserError(
            '--resume keeps the checkpoints and --force removes them: give '
            'one of the two.'
        )
    if resume:
        last = newest_checkpoint(folder)
        if last is not None:
            return Start(last, is_last(last, loop, seed))
        if resume == 'auto':
            return Start()
        raise UserError(
            f'nothing to resume in {folder}: '
            + (
                'none of its checkpoints is whole. Start over with --force '
                'instead of --resume'
                if there
                else 'it has no checkpoint. Leave --resume out to start'
            )
            + ', or name the right --work-dir.'
        )
    if there and not force:
        raise UserError(
            f'{folder} has a pretraining already, up to {there[0].name}. Add '
            '--resume to go on from there, add --force to remove its '
            'checkpoints and start over, or name another --work-dir.'
        )
    return Start(replaced=there)


def _from_file(path: Path, there: list[Path], force: bool) -> Start:
    """Go on from a file, which may be of another folder."""
    if not path.is_file():
        raise UserError(f'no checkpoint {path} to resume from.')
    looked = look_at(path)
    if looked.fault:  # the reader of checkpoints says it better
        return Start(path)
    later = [
        other
        for other in there
        if not other.samefile(path)
        and look_at(other).iterations >= looked.iterations
    ]
    if later and not force:
        raise UserError(
            f'{later[0]} is as far as {path} or further. Add --force to '
            'remove it and go on from there, or name another --work-dir.'
        )
    return Start(path, replaced=later)


def is_last(path: Path, loop: dict[str, Any], seed: int) -> bool:
    """Whether a checkpoint was written at the end of a run.

    Args:
        path (Path): The checkpoint.
        loop (dict): The config's ``train_cfg``.
        seed (int): Of the run.
    """
    looked = look_at(path)
    if looked.seed not in (None, seed):  # refused when it is loaded
        return False
    if loop.get('max_epochs') is not None:
        return looked.epochs >= loop['max_epochs']
    return looked.iterations >= loop.get('max_iters', float('inf'))
