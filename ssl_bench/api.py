"""The steps as functions: pretrain, transfer, read records, load weights.

What the subcommands of ``ssl-bench`` do, for a script or a notebook. A
mistake is a `UserError`, whose text says what to do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_bench import register_all_modules
from ssl_bench.checkpoints import (
    Backbone,
    load_into,
    read_backbone,
    to_backbone,
    write_backbone,
)
from ssl_bench.checkpoints.export import export
from ssl_bench.config import find_config, load_config
from ssl_bench.errors import UserError
from ssl_bench.results import load as load_records
from ssl_bench.tasks.own import OwnData, read_own_data
from ssl_bench.tasks.table import find_task, on_own_data

if TYPE_CHECKING:
    from ssl_bench.transfer.run import Outcome

__all__ = [
    'Backbone',
    'UserError',
    'export',
    'find_task',
    'load_into',
    'load_records',
    'pretrain',
    'read_backbone',
    'read_own_data',
    'to_backbone',
    'transfer',
    'write_backbone',
]


def pretrain(
    config: str | Path,
    options: Mapping[str, Any] | None = None,
    work_dir: str | Path | None = None,
    **settings: Any,
) -> Path:
    """Pretrain a method from its config, as ``ssl-bench pretrain`` does.

    Args:
        config: The file, or the name of one of ours: ``mini/mocov2_r18``.
        options: Dotted keys of the config and their values.
        work_dir: Where checkpoints and logs go; ``work_dirs/NAME``, with the
            config's name, if left out.
        **settings: As `ssl_bench.engine.pretrain.pretrain`: ``resume``,
            ``seed``, ``quiet``, ``force``, ``wait``.

    Returns:
        The checkpoint of the last epoch or iteration.

    Raises:
        UserError: Data, settings or a checkpoint that cannot work.
        TypeError: A setting that it does not have.
    """
    register_all_modules()
    from ssl_bench.engine.pretrain import pretrain as run

    path = find_config(config)
    chosen = dict(options or {})
    folder = work_dir or Path('work_dirs') / path.stem
    return run(load_config(path, chosen), folder, options=chosen, **settings)


def transfer(
    weights: str | Path,
    task: str,
    seed: int = 0,
    own: OwnData | None = None,
    arch: str | None = None,
    meta: Mapping[str, Any] | None = None,
    work_dir: str | Path = 'work_dirs/transfer',
    **settings: Any,
) -> 'Outcome':
    """Run one task with a checkpoint, as ``ssl-bench transfer`` does.

    A finished run is not repeated: its record is read.

    Args:
        weights: A checkpoint of any format, a backbone file, ``timm:NAME``,
            ``random`` or ``supervised=FILE``.
        task: Id of a task; ``ssl-bench tasks`` lists them.
        seed: Of the run.
        own: Own images and labels (`read_own_data`), in place of the task's.
        arch: What ``random`` builds, or what the checkpoint must hold.
        meta: What the checkpoint does not say: ``{'pretrain_data': 'IN1K'}``.
        work_dir: The run gets a folder below it.
        **settings: As `ssl_bench.transfer.run.Request`: ``data_root``,
            ``overrides``, ``recipe``, ``fraction``, ``train`` and others.

    Returns:
        The record, as a dict, and the folder of the run.

    Raises:
        UserError: An unknown task, missing data, or weights that do not fit.
        TypeError: A setting that `Request` does not have.
    """
    register_all_modules()
    from ssl_bench.transfer.run import run_task
    from ssl_bench.transfer.source import open_source

    if own is not None:
        task = on_own_data(task, own).id
    source = open_source(weights, work_dir, arch, dict(meta or {}))
    return run_task(source, task, seed, work_dir, **settings)
