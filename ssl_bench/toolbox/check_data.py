"""Do a task's data fit its network? Asked before the first step."""

import logging
from collections.abc import Iterator

from PIL import Image
from torch import nn

from ssl_bench.errors import UserError
from ssl_bench.toolbox.instances import check_images

SAMPLED = 8  # masks read before training


def check_classes(model: nn.Module, train, test) -> list[str]:
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
                '(ssl-bench data check TASK), or set model.head.num_classes.'
            )
        notes += empty_classes(dataset, classes, count)
    if train is not None:
        check_same(train, test)
    return notes


def check_same(train, test) -> None:
    """Labels of training and test must mean the same classes.

    Raises:
        UserError: Names the first that differs.
    """
    ours, theirs = (
        tuple(dataset.metainfo.get('classes') or ())
        for dataset in (train, test)
    )
    if not ours or not theirs or ours == theirs:
        return
    alone = sorted({*ours} ^ {*theirs}) or [ours[0]]
    raise UserError(
        f'training and test classes differ ({len(ours)} and {len(theirs)}): '
        f'{alone[0]} is not in {where(train)} and {where(test)} alike.'
    )


def empty_classes(dataset, classes, count: int) -> list[str]:
    """Note classes that no image has; refuse labels that no class has."""
    labels = getattr(dataset, 'get_gt_labels', None)
    if labels is None or 'subset' in dataset.metainfo:
        return []
    found = set(labels().tolist())
    beyond = sorted(label for label in found if not 0 <= label < count)
    if beyond:
        raise UserError(
            f'{where(dataset)} has the label {beyond[0]}; the '
            f'head of this task knows 0 to {count - 1}.'
        )
    empty = sorted(set(range(count)) - found)
    if not empty:
        return []
    name = classes[empty[0]] if classes else empty[0]
    note = (
        f'{len(empty)} of {count} classes have no image in '
        f'{where(dataset)}, first {name}'
    )
    logging.getLogger(__name__).warning(note)
    return [note]


def check_files(classes: int | None, *datasets) -> list[str]:
    """Look for what detection and segmentation sets name, before training.

    A missing file would stop a run in the middle of an epoch, or at its
    test. Of the masks a few are read.

    Args:
        classes (int, optional): Of a segmenter.
        datasets (BaseDataset): Of mmdet or mmseg; None is passed over.

    Returns:
        list[str]: What a record should say: annotations left out.

    Raises:
        UserError: How many images or masks are missing, and one of them; or
            a mask that does not fit the segmenter.
    """
    notes = []
    for dataset in readers(*datasets):
        rows = [dataset.get_data_info(index) for index in range(len(dataset))]
        masks = [row for row in rows if row.get('seg_map_path')]
        check_images(where(dataset), [row['img_path'] for row in rows])
        check_images(
            where(dataset), [row['seg_map_path'] for row in masks], 'masks'
        )
        if classes is not None:
            check_masks(
                masks[:: len(masks) // SAMPLED + 1], classes, dataset.test_mode
            )
        left_out = getattr(dataset, 'left_out', None)
        if left_out:
            notes.append(
                f'left out of {where(dataset)}: '
                f'{dataset.summary_of_left_out()}'
            )
    return notes


def check_masks(rows: list[dict], classes: int, every: bool) -> None:
    """Read the masks of a few images.

    Args:
        rows (list[dict]): Of the data set.
        classes (int): Of the segmenter.
        every (bool): One faulty mask is one too many; else only if all are,
            since training skips them.

    Raises:
        UserError: Says what is wrong with one of them.
    """
    from ssl_bench.toolbox.load_masks import ReadMask

    reader, errors = ReadMask(classes), []
    for row in rows:
        try:
            with Image.open(row['img_path']) as image:
                shape = image.size[::-1]
            reader.transform({**row, 'ori_shape': shape})
        except UserError as error:
            errors.append(error)
        except OSError:  # an image's fault, which is met where it is read
            continue
    if errors and (every or len(errors) == len(rows)):
        raise errors[0]


def readers(*datasets) -> Iterator:
    """The data sets within those that join or choose from others."""
    for dataset in filter(None, datasets):
        inner = getattr(dataset, 'datasets', None) or [
            getattr(dataset, 'dataset', None)
        ]
        if inner == [None]:
            yield dataset
        else:
            yield from readers(*inner)


def where(dataset) -> str:
    """The list or folder that a data set was read from."""
    place = (
        getattr(dataset, 'ann_file', '')
        or getattr(dataset, 'img_prefix', '')
        or getattr(dataset, 'data_root', '')
        or type(dataset).__name__
    )
    return place.rstrip('/')
