"""Records as a pandas data frame."""

from typing import TYPE_CHECKING, Any

from ssl_bench.errors import UserError
from ssl_bench.results.checks import without_duplicates
from ssl_bench.results.record import PathLike, Stored
from ssl_bench.results.store import scan
from ssl_bench.results.table import trained

if TYPE_CHECKING:
    import pandas

GROUPS = ('pretrain', 'cost', 'hardware', 'data')
PLAIN = ('method', 'variant', 'backbone', 'task', 'seed')
COUNTS = ('trained_parameters', 'parameters')
LAST = ('run_id', 'config_sha256', 'code_version', 'started', 'finished')


def lines(item: Stored) -> list[dict[str, Any]]:
    """One flat line per metric of a record."""
    record = item.record
    common = {name: record[name] for name in PLAIN}
    rest = {
        f'{group}_{name}': value
        for group in GROUPS
        for name, value in record[group].items()
        if (group, name) != ('pretrain', 'cost')
    }
    rest.update(
        (f'pretrain_cost_{name}', value)
        for name, value in (record['pretrain'].get('cost') or {}).items()
    )
    rest.update({name: record[name] for name in LAST}, path=item.path)
    rest.update(
        trained=trained(record), **{name: record.get(name) for name in COUNTS}
    )
    return [
        {**common, 'metric': metric, 'value': value, **rest}
        for metric, value in sorted(record['metrics'].items())
    ]


def load(*dirs: PathLike) -> 'pandas.DataFrame':
    """Every measured number under ``dirs``, one per line, each run once.

    As on the leaderboard, of a run that is stored twice (a copy, an imported
    bundle) the record that finished last counts.

    Columns: method, variant, backbone, task, seed, metric, value, then the
    provenance (``pretrain_epochs``, ``pretrain_cost_gpu_hours``,
    ``cost_gpu_hours``, ``run_id``, ...).
    Files that cannot be read, and runs that are stored twice, are listed in
    ``frame.attrs['problems']``, each with a warning.

    Raises:
        UserError: pandas is not installed.

    Example:
        >>> frame = load('work_dirs')
        >>> frame.groupby(['task', 'metric', 'method']).value.mean()
    """
    import warnings

    try:
        import pandas
    except ImportError:
        raise UserError(
            'ssl_bench.results.load needs pandas: '
            'pip install "ssl-bench[pandas]"'
        ) from None
    stored, problems = scan(dirs)
    stored, copies = without_duplicates(stored)
    problems += copies
    for problem in problems:
        warnings.warn(str(problem), stacklevel=2)
    frame = pandas.DataFrame([line for item in stored for line in lines(item)])
    frame.attrs['problems'] = list(map(str, problems))
    return frame
