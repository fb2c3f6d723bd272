"""The kinds of own data that are judged."""

from ssl_bench.config import config_dir
from ssl_bench.judge.kinds import folders, masks, objects
from ssl_bench.judge.kinds.kind import Kind
from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import read_task, tasks

CONFIGS = 'judge'  # folder of the configs
#: By `OwnData.kind`.
KINDS: dict[str, Kind] = dict(
    folders=folders.KIND, masks=masks.KIND, coco=objects.COCO, voc=objects.VOC
)


def kind_of(own: OwnData) -> Kind:
    """How data are judged; the tasks of it can be found from now on."""
    kind = KINDS[own.kind]
    for mode in kind.modes.values():
        path = config_dir() / CONFIGS / f'{mode.task}.py'
        tasks().add(read_task(path), path)
    return kind
