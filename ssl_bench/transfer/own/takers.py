"""Which tasks take which kind of own data."""

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import (
    CocoLayout,
    FolderLayout,
    InatLayout,
    Layout,
    ListLayout,
    LvisLayout,
    MaskLayout,
    VocBoxLayout,
)
from ssl_bench.tasks.own.data import Kind
from ssl_bench.tasks.own.fitting import needs_masks
from ssl_bench.tasks.table import Task, tasks

# layouts of the protocol's data that own data of a kind can replace
REPLACES: dict[str, tuple[type[Layout], ...]] = dict(
    coco=(CocoLayout,),
    folders=(FolderLayout, ListLayout, InatLayout),
    masks=(MaskLayout,),
    voc=(CocoLayout, VocBoxLayout),
)
WORDS = dict(
    coco="COCO's annotation files",
    folders='class folders',
    masks='masks',
    voc="VOC's XML files",
)
OBJECTS = ('coco', 'voc')  # kinds of which boxes are found


def takes(task: Task, kind: Kind) -> bool:
    """Whether own data of a kind can replace those of a task's protocol."""
    data = task.protocol_data
    return (
        not task.trained_by
        and (task.toolbox == 'mmdet') == (kind in OBJECTS)
        and not (kind == 'voc' and needs_masks(task.metrics))
        and data.drawn_from is None
        and bool(data.train)
        and all(
            isinstance(row, REPLACES[kind]) and not isinstance(row, LvisLayout)
            for row in data.layouts
        )
    )


def require_taken(task: Task, kind: Kind) -> None:
    """Check that a task can be run on own data of a kind.

    Raises:
        UserError: Why not, and which tasks can.
    """
    if not takes(task, kind):
        raise cannot_take(task, kind)


def cannot_take(task: Task, kind: Kind) -> UserError:
    """Why a task cannot be run on own data of a kind, and which can."""
    name = task.id.rpartition('/')[2]
    if task.protocol_data.drawn_from is not None:
        reason = (
            'its few labels are a list of its own data set; take the task of '
            'all labels with --fraction'
        )
    elif task.trained_by:
        reason = f'it tests what {task.trained_by} has trained, on fixed data'
    else:
        reason = f'it does not take {WORDS[kind]}'
    able = [other.id for other in tasks().values() if takes(other, kind)]
    return UserError(
        f'{name} cannot be run on own data: {reason}. Tasks that take '
        f'{WORDS[kind]}: {", ".join(able)}.'
    )
