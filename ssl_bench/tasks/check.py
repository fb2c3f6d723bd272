"""Are a task's data complete and usable? Its layouts say."""

from pathlib import Path

from ssl_bench.tasks.layouts import Line, Problem
from ssl_bench.tasks.table import find_task


def check_task(
    task: str, root: str | Path | None = None, decode_all: bool = False
) -> list[Line]:
    """Everything to say about the data of a task; empty when they are fine.

    Args:
        task (str): Task id.
        root (str | Path, optional): Data root; the task's own when None.
        decode_all (bool): Open every image and mask, not a few of each
            list.

    Returns:
        list[Line]: `Problem`s, and `Note`s on what loaders leave out.

    Raises:
        UserError: Unknown task.
    """
    row = find_task(task)
    dataset, root = row.data, Path(root or row.root)
    found: list[Line] = [
        Problem(f'{path} is missing') for path in dataset.missing(root)
    ]
    if found:
        return [*found, Problem(f'prepare: {dataset.how_to_prepare(root)}')]
    for layout, scored in dataset.parts(root):
        found += layout.check(scored, decode_all)
    return list(dict.fromkeys(found))
