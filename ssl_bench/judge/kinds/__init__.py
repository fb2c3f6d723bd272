"""The kinds of own data that are judged."""

from ssl_bench.config import config_dir
from ssl_bench.errors import UserError
from ssl_bench.judge.kinds import folders, objects
from ssl_bench.judge.kinds.kind import Kind
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import read_task, tasks

CONFIGS = 'judge'  # folder of the configs
#: By `OwnData.kind`.
KINDS: dict[str, Kind] = dict(
    folders=folders.KIND, coco=objects.COCO, voc=objects.VOC
)


def kind_of(own: OwnData) -> Kind:
    """How data are judged; the tasks of it can be found from now on.

    Raises:
        UserError: Data of this kind are not.
    """
    kind = KINDS.get(own.kind)
    if kind is None:
        taken = ' and '.join(one.what for one in KINDS.values())
        raise UserError(
            f'{own.title} ({own.kind}): judge takes {taken} only. '
            'Compare weights on these data with ssl-bench transfer.'
        )
    for mode in kind.modes.values():
        path = config_dir() / CONFIGS / f'{mode.task}.py'
        tasks().add(read_task(path), path)
    return kind
