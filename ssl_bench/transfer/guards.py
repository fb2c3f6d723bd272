"""Do a task's data fit its network? Asked before the first step."""
import logging
from typing import List

from torch import nn

from ssl_bench.errors import UserError


def check_classes(model: nn.Module, train, test) -> List[str]:
    """Hold the classes of an image-level task's data against its head.

    Args:
        model (nn.Module): Classifier; others are left alone.
        train, test (BaseDataset): ``train`` is None where nothing trains.

    Returns:
        list[str]: What a record should say: classes without an image.

    Raises:
        UserError: Another number of classes, train and test differ, or a
            label beyond the head.
    """
    count = getattr(getattr(model, 'head', None), 'num_classes', None)
    if count is None:
        return []
    notes = []
    for dataset in filter(None, (train, test)):
        classes = dataset.metainfo.get('classes') or ()
        if classes and len(classes) != count:
            raise UserError(
                f'{where(dataset)} has {len(classes)} classes, the head of '
                f'this task {count}. Lay the data out as the task says '
                '(ssl-bench data check TASK), or set model.head.num_classes.')
        notes += empty_classes(dataset, classes, count)
    if train is not None:
        check_same(train, test)
    return notes


def check_same(train, test) -> None:
    """Labels of training and test must mean the same classes.

    Raises:
        UserError: Names the first that differs.
    """
    ours, theirs = (tuple(dataset.metainfo.get('classes') or ())
                    for dataset in (train, test))
    if not ours or not theirs or ours == theirs:
        return
    alone = sorted({*ours} ^ {*theirs}) or [ours[0]]
    raise UserError(
        f'training and test classes differ ({len(ours)} and {len(theirs)}): '
        f'{alone[0]} is not in {where(train)} and {where(test)} alike.')


def empty_classes(dataset, classes, count: int) -> List[str]:
    """Note classes that no image has; refuse labels that no class has."""
    labels = getattr(dataset, 'get_gt_labels', None)
    if labels is None or 'subset' in dataset.metainfo:
        return []
    found = set(labels().tolist())
    beyond = sorted(label for label in found if not 0 <= label < count)
    if beyond:
        raise UserError(f'{where(dataset)} has the label {beyond[0]}; the '
                        f'head of this task knows 0 to {count - 1}.')
    empty = sorted(set(range(count)) - found)
    if not empty:
        return []
    name = classes[empty[0]] if classes else empty[0]
    note = (f'{len(empty)} of {count} classes have no image in '
            f'{where(dataset)}, first {name}')
    logging.getLogger(__name__).warning(note)
    return [note]


def where(dataset) -> str:
    """The list or folder that a data set was read from."""
    place = getattr(dataset, 'ann_file', '') or \
        getattr(dataset, 'img_prefix', '') or \
        getattr(dataset, 'data_root', '') or type(dataset).__name__
    return place.rstrip('/')
