"""Do a task's data fit its network? Asked before the first step."""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from torch import nn

from ssl_bench.errors import UserError
from ssl_bench.tasks.datasets import Dataset
from ssl_bench.tasks.layouts import DepthLayout, FolderLayout, ListLayout
from ssl_bench.tasks.layouts.depth import DepthPair
from ssl_bench.tasks.layouts.lines import (
    FileFault,
    Note,
    missing_files,
    refuse,
)
from ssl_bench.tasks.layouts.lists import other_labels
from ssl_bench.tasks.layouts.masks import single_label
from ssl_bench.tasks.layouts.opening import (
    image_size,
    other_sizes,
    spread,
    turned_images,
)


def check_classes(model: nn.Module, train, test) -> list[str]:
    """Compare the classes of an image-level task's data with its head.

    Args:
        model (nn.Module): Classifier; other models are not checked.
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
    return notes + notes_of(train, test)


def check_same(train, test) -> None:
    """Labels of training and test must mean the same classes.

    Raises:
        UserError: Names the first that differs.
    """
    ordered = FolderLayout | ListLayout
    one, other = (getattr(data, 'layout', None) for data in (train, test))
    if isinstance(one, ordered) and isinstance(other, ordered):
        refuse(other_labels(one, other))
    ours, theirs = (
        tuple(dataset.metainfo.get('classes') or ())
        for dataset in (train, test)
    )
    if not ours or not theirs or ours == theirs:
        return
    alone = sorted({*ours} ^ {*theirs}) or [ours[0]]
    raise UserError(
        f'training and test classes differ ({len(ours)} and {len(theirs)}): '
        f'{alone[0]} is not in both {where(train)} and {where(test)}.'
    )


def empty_classes(dataset, classes, count: int) -> list[str]:
    """Refuse labels that no class has; note classes without an image.

    Sets that have a layout note these themselves.
    """
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
    if not empty or hasattr(dataset, 'notes'):
        return []
    name = classes[empty[0]] if classes else empty[0]
    note = (
        f'{len(empty)} of {count} classes have no image in '
        f'{where(dataset)}, first {name}'
    )
    logging.getLogger(__name__).warning(note)
    return [note]


def check_files(classes: int | None, *datasets) -> list[str]:
    """Check what detection and segmentation sets name, before training.

    A missing file would stop a run in the middle of an epoch, or at its
    test. Sets with a layout were checked when they were read; of the others
    every file is looked for. Of masks and depth maps a few are opened, or
    all of a test set.

    Args:
        classes (int, optional): Of a segmenter.
        datasets (BaseDataset): Of mmdet or mmseg; None is skipped.

    Returns:
        list[str]: What a record should say: annotations left out.

    Raises:
        UserError: How many images or masks are missing, and one of them; or
            masks that do not fit the segmenter.
    """
    notes = notes_of(*datasets)
    for dataset in readers(*datasets):
        if not hasattr(dataset, 'layout'):
            check_rows(dataset)
        notes += check_sizes(dataset) + check_depths(dataset)
        if classes is not None:
            check_masks(_rows(dataset), classes, dataset.test_mode)
        left_out = getattr(dataset, 'left_out', None)
        if left_out:
            notes.append(
                f'left out of {where(dataset)}: '
                f'{dataset.summary_of_left_out()}'
            )
    return notes


def notes_of(*datasets) -> list[str]:
    """What the readers left out, or trained on twice, for the record."""
    notes = [
        str(note)
        for dataset in readers(*datasets)
        for note in getattr(dataset, 'notes', [])
    ]
    for note in notes:
        logging.getLogger(__name__).warning(note)
    return notes


def check_rows(dataset) -> None:
    """Look for the images and masks of a set that has no layout.

    Raises:
        UserError: How many are missing, and one of them.
    """
    rows, place = _rows(dataset), where(dataset)
    masks = [row['seg_map_path'] for row in rows if row.get('seg_map_path')]
    refuse(
        missing_files(place, [row['img_path'] for row in rows])
        + missing_files(place, masks, 'masks')
    )


def check_sizes(dataset) -> list[str]:
    """Hold the sizes of images against what their annotations say.

    Of a test set every header is read, since the test would stop at the
    first that differs. Training skips and counts such images, so only a few
    are looked at.

    Returns:
        list[str]: What a record should say: images that are turned.

    Raises:
        UserError: A test image differs, or all training images that were
            looked at.
    """
    test = getattr(dataset, 'test_mode', False)
    indices = range(len(dataset))
    # of each row what is needed: those of all objects would take gigabytes
    keys = ('img_path', 'width', 'height', 'seg_map_path')
    chosen = [
        {key: row.get(key) for key in keys}
        for row in map(
            dataset.get_data_info, indices if test else spread(indices)
        )
    ]
    place = where(dataset)
    lines = other_sizes(
        (
            (row['img_path'], (row['width'], row['height']))
            for row in chosen
            if row.get('width')
        ),
        place,
    )
    lines += turned_images(
        (row['img_path'] for row in chosen if row.get('seg_map_path')), place
    )
    refuse(line for line in lines if test or not isinstance(line, FileFault))
    return [str(line) for line in lines if isinstance(line, Note)]


def check_depths(dataset) -> list[str]:
    """Open depth maps of a set, all of a test set.

    Returns:
        list[str]: What a record should say: maps without a valid pixel.

    Raises:
        UserError: One is unusable and it is a test set, or all are that were
            opened.
    """
    layout = getattr(dataset, 'layout', None)
    if not isinstance(layout, DepthLayout):
        return []
    pairs = [
        DepthPair(row['img_path'], row['depth_map_path'])
        for row in _rows(dataset)
    ]
    lines = layout.broken_depths(pairs, dataset.test_mode)
    refuse(
        line
        for line in lines
        if dataset.test_mode or not isinstance(line, FileFault)
    )
    return [str(line) for line in lines if isinstance(line, Note)]


def check_masks(rows: list[dict], classes: int, every: bool) -> None:
    """Open masks of a set.

    Args:
        rows (list[dict]): Of the data set.
        classes (int): Of the segmenter.
        every (bool): Open all of them, and one that is faulty is one too
            many: else a few, of which one must be usable, since training
            skips the others.

    Raises:
        UserError: What is wrong with one of them, or that all masks of the
            set have one label.
    """
    from ssl_bench.toolbox.load_masks import ReadMask

    reader, errors = ReadMask(classes), []
    rows = [row for row in rows if row.get('seg_map_path')]
    masks = [row['seg_map_path'] for row in rows]
    chosen = rows if every else spread(rows)
    for row in chosen:
        try:
            shape = image_size(row['img_path'])[::-1]
            reader.transform({**row, 'ori_shape': shape})
        except UserError as error:
            errors.append(error)
        except OSError:  # an image's fault, which is met where it is read
            continue
    if errors and (every or len(errors) == len(chosen)):
        more = f' ({len(errors) - 1} more)' if len(errors) > 1 else ''
        raise UserError(f'{errors[0]}{more}') from errors[0]
    if masks:
        folder = os.path.dirname(masks[0])
        refuse(single_label([*spread(masks), *masks], folder))


def _rows(dataset) -> list[dict]:
    return [dataset.get_data_info(index) for index in range(len(dataset))]


def read_elsewhere(
    paths: Iterable[Path], dataset: Dataset, root: str | Path
) -> list[Path]:
    """What loaders read although the task's data set does not name it.

    Args:
        paths (Iterable[Path]): Files and folders that loaders read.
        dataset (Dataset): Of the task.
        root (str | Path): Data root.
    """
    named = [Path(os.path.abspath(Path(root) / p)) for p in dataset.paths]
    return [
        path
        for path in paths
        if not any(
            name == full or full in name.parents or name in full.parents
            for full in [Path(os.path.abspath(path))]
            for name in named
        )
    ]


def elsewhere_texts(paths: Iterable[Path], dataset: Dataset) -> list[str]:
    """What a record says of the paths of `read_elsewhere`."""
    return [
        f'{path} is read, which is not of the data set {dataset.title}'
        for path in paths
    ]


def readers(*datasets) -> Iterator:
    """The data sets in those that join or choose from others."""
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
