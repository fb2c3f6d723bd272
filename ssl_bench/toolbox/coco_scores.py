"""Scores of COCO and LVIS in full; mmdet's metrics round to 3 decimals."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from mmdet.evaluation import CocoMetric
from mmdet.evaluation.metrics import coco_metric
from mmdet.registry import METRICS
from pycocotools.mask import area, encode
from torch import Tensor

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import CocoLayout
from ssl_bench.tasks.layouts.annotations import Annotations, read_annotations
from ssl_bench.tasks.layouts.base import no_garbage_collection
from ssl_bench.tasks.layouts.lines import refuse
from ssl_bench.tasks.layouts.objects import other_classes, wrong_objects
from ssl_bench.toolbox.scorer import FAST, choose_scorer

# places in COCOeval's `stats`, as mmdet names them
STATS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')


class Unrounded:
    """Mixed into a metric of mmdet: its scorer's own numbers, fractions.

    Recalls of proposals and scores of single classes stay rounded. What is
    scored against is read by the reader of the data set, and only in the
    process that scores: the scorers' own readers take a text for a number,
    and an object whose id is 0 for one that was never found.

    Attributes:
        module (ModuleType): Where mmdet's metric finds its scorers.
        truth (str): Where mmdet's metric keeps what is scored against.
        layout_class (type): Of the annotation file.

    Args:
        ann_file (str): Annotation file.
        **kwargs: Of mmdet's metric.
    """

    module: ModuleType = coco_metric
    truth = '_coco_api'
    layout_class: type[CocoLayout] = CocoLayout

    def __init__(self, ann_file: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        # a metric of mmdet whose truth is not None keeps no annotations
        setattr(self, self.truth, ann_file)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """mmdet's, and then the digits that it has cut off.

        Raises:
            UserError: The annotation file cannot be used.
        """
        path = getattr(self, self.truth)
        if isinstance(path, str):
            setattr(self, self.truth, self.indexed(self.content(path)))
        with noted(self.module, self.scorers()) as made:
            found: dict[str, float] = super().compute_metrics(  # type: ignore
                results
            )
        for scorer in made:
            if getattr(scorer.params, 'useCats', True):  # not proposals
                found.update(
                    (name, value)
                    for name, value in self.values_of(scorer).items()
                    if name in found
                )
        return found

    def scorers(self) -> dict[str, type]:
        """Classes of scorers, by the names that the module has for them."""
        raise NotImplementedError

    def indexed(self, content: dict[str, Any]) -> Any:
        """What the scorer's package makes of a file's content."""
        raise NotImplementedError

    def values_of(self, scorer: Any) -> dict[str, float]:
        """What a scorer that has run found, by mmdet's names."""
        raise NotImplementedError

    @no_garbage_collection()
    def content(self, path: str) -> dict[str, Any]:
        """An annotation file as the scorers want it."""
        layout = self.layout_class(annotations=path, images='')
        try:
            found = read_annotations(path, layout.file_name)
        except (OSError, ValueError) as error:
            raise UserError(f'{path} cannot be read: {error}') from error
        refuse(wrong_objects(found, path))
        return to_score_against(found)


def to_score_against(found: Annotations) -> dict[str, list[dict[str, Any]]]:
    """A file in COCO's form, with objects numbered from 1.

    The scorers write the id of the object that was found into an array of
    zeros, where 0 means that none was.

    Args:
        found (Annotations): The file.
    """
    images, objects = found.images, found.objects
    annotations = [
        dict(
            id=row + 1,
            image_id=int(images.ids[objects.images[row]]),
            category_id=found.categories[objects.categories[row]].id,
            bbox=objects.boxes[row].tolist(),
            area=float(objects.areas[row]),
            iscrowd=int(objects.crowds[row]),
            segmentation=objects.mask(row),
        )
        for row in range(len(objects.ids))
    ]
    for row in objects.marked.nonzero()[0].tolist():
        annotations[row]['ignore'] = 1
    return dict(
        images=[
            dict(
                id=int(key),
                width=int(images.widths[row]),
                height=int(images.heights[row]),
                neg_category_ids=images.negative[row].tolist(),
                not_exhaustive_category_ids=images.partial[row].tolist(),
            )
            for row, key in enumerate(images.ids)
        ],
        annotations=annotations,
        categories=[
            dict(id=row.id, name=row.name, frequency=row.frequency)
            for row in found.categories
        ],
    )


@contextmanager
def noted(module: ModuleType, scorers: dict[str, type]) -> Iterator[list[Any]]:
    """Give a module other scorers, and collect those that it makes.

    Args:
        module (ModuleType): Restored afterwards.
        scorers (dict[str, type]): By their names there.
    """
    made: list[Any] = []

    def maker(kind: type) -> Any:
        def make(*args) -> Any:
            made.append(kind(*args))
            return made[-1]

        return make

    with ExitStack() as changes:
        for name, kind in scorers.items():
            changes.enter_context(replaced(module, name, maker(kind)))
        yield made


@contextmanager
def replaced(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """Give a name of a module another value for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@METRICS.register_module()
class ExactCocoMetric(Unrounded, CocoMetric):
    """mmdet's COCO metric, not rounded, by one of two packages.

    faster-coco-eval has pycocotools' numbers, to the last digit or the one
    before it, in a part of the time (tests compare them on random sets).
    The detections go to it without being written to a file, and masks are
    encoded all together.

    Args:
        scorer (str): ``faster-coco-eval``, ``pycocotools`` or ``auto``, the
            first of them that can be used (`choose_scorer`).
        **kwargs: Of mmdet's metric.

    Raises:
        UserError: The package cannot be used.
    """

    def __init__(self, scorer: str = 'auto', **kwargs) -> None:
        self.scorer = choose_scorer(scorer, **kwargs)
        super().__init__(**kwargs)

    def process(self, data_batch: dict, data_samples: Sequence) -> None:
        """Collect the detections of a batch."""
        for sample in data_samples:
            found = sample['pred_instances']
            masks = found.get('masks')
            if isinstance(masks, Tensor):
                found['masks'] = encode_masks(masks)
        super().process(data_batch, data_samples)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """As `Unrounded`; detections do not go through files."""
        with replaced(self.module, 'load', lambda make: make()):
            return super().compute_metrics(results)

    def results2json(
        self, results: Sequence[dict], outfile_prefix: str
    ) -> dict[str, Any]:
        """Write files if they are asked for.

        Returns:
            dict[str, Callable]: By kind of score, what lists the detections.
        """
        if self.outfile_prefix is not None:
            super().results2json(results, outfile_prefix)
        kinds = {'bbox': 'bbox', 'proposal': 'bbox', 'segm': 'segm'}
        return {
            name: partial(to_score, results, self.cat_ids, kind)
            for name, kind in kinds.items()
            if kind == 'bbox' or 'masks' in results[0]
        }

    def scorers(self) -> dict[str, type]:
        """The package's, by mmdet's names."""
        kind = coco_metric.COCOeval
        if self.scorer == FAST:
            kind = import_module('faster_coco_eval').COCOeval_faster
        return dict(COCOeval=kind, COCOevalMP=coco_metric.COCOevalMP)

    def indexed(self, content: dict[str, Any]) -> Any:
        """The package's table of a file's content; sets the ids."""
        kind = coco_metric.COCO
        if self.scorer == FAST:
            kind = import_module('faster_coco_eval').COCO
        made = table(kind, content)
        # by name: the packages' own list has the order of the file
        ids = {row['name']: row['id'] for row in content['categories']}
        classes = self.dataset_meta['classes']
        refuse(other_classes([*ids], classes, 'test_evaluator.ann_file'))
        self.cat_ids = [ids[name] for name in classes]
        self.img_ids = made.getImgIds()
        return made

    def values_of(self, scorer: Any) -> dict[str, float]:
        """What a scorer that has run found, by mmdet's names."""
        return {
            f'{scorer.params.iouType}_{name}': float(value)
            for name, value in zip(STATS, scorer.stats)
        }


def table(kind: type, content: dict[str, Any]) -> Any:
    """A package's table, which takes detections of `to_score` as they are.

    Its own ``loadRes`` measures every mask alone, and pycocotools' fails when
    there are no detections.

    Args:
        kind (type): ``COCO`` of the package.
        content (dict): Of an annotation file.
    """

    class Table(kind):  # type: ignore[misc, valid-type]
        def loadRes(self, found: list[dict[str, Any]]) -> Any:
            return table(kind, dict(self.dataset, annotations=found))

    made = Table()
    made.dataset = content
    made.createIndex()
    return made


def to_score(
    results: Sequence[dict], ids: Sequence[int], kind: str
) -> list[dict[str, Any]]:
    """Detections as the packages keep them.

    Args:
        results (Sequence[dict]): Of images, as mmdet's metric keeps them.
        ids (Sequence[int]): Of the categories, by label.
        kind (str): bbox or segm.
    """
    rows: list[dict[str, Any]] = []
    shapes: list[dict[str, Any]]
    for result in results:
        scores = result['scores']
        if kind == 'bbox':
            shapes = [
                dict(bbox=[x1, y1, x2 - x1, y2 - y1])
                for x1, y1, x2, y2 in result['bboxes'].tolist()
            ]
            areas = [shape['bbox'][2] * shape['bbox'][3] for shape in shapes]
        else:
            scores = result.get('mask_scores', scores)
            # mmdet takes the box out, so that areas are those of masks
            shapes = [
                dict(segmentation=mask, bbox=None) for mask in result['masks']
            ]
            areas = area(result['masks']).tolist() if shapes else []
        for shape, size, label, score in zip(
            shapes, areas, result['labels'].tolist(), scores.tolist()
        ):
            rows.append(
                dict(
                    shape,
                    id=len(rows) + 1,
                    image_id=result['img_id'],
                    category_id=ids[label],
                    area=size,
                    score=score,
                    iscrowd=0,
                )
            )
    return rows


def encode_masks(masks: Tensor) -> list[dict[str, Any]]:
    """Run lengths of masks, all in one call.

    Args:
        masks (Tensor): (N, H, W), bool.
    """
    # pycocotools wants columns next to each other
    turned = masks.detach().transpose(1, 2).contiguous().cpu().numpy()
    found: list[dict[str, Any]] = encode(
        turned.view('uint8').transpose(2, 1, 0)
    )
    return found
