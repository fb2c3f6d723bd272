"""Scores of COCO and LVIS in full; mmdet's metrics round to 3 decimals."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mmdet.evaluation import CocoMetric, FasterCocoMetric
from mmdet.evaluation.metrics import coco_metric, faster_coco_metric
from mmdet.registry import METRICS

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import CocoLayout
from ssl_bench.tasks.layouts.annotations import Annotations, read_annotations
from ssl_bench.tasks.layouts.base import no_garbage_collection
from ssl_bench.tasks.layouts.lines import refuse
from ssl_bench.tasks.layouts.objects import wrong_objects

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
        scorers (tuple[str, ...]): Their classes' names there.
        truth (str): Where mmdet's metric keeps what is scored against.
        layout_class (type): Of the annotation file.

    Args:
        ann_file (str): Annotation file.
        **kwargs: Of mmdet's metric.
    """

    module: ModuleType = coco_metric
    scorers: tuple[str, ...] = ('COCOeval', 'COCOevalMP')

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
        with noted(self.module, self.scorers) as made:
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

    def indexed(self, content: dict[str, Any]) -> Any:
        """What the scorer's package makes of a file's content."""
        made = self.module.COCO()
        made.dataset = content
        made.createIndex()
        return made

    def values_of(self, scorer: Any) -> dict[str, float]:
        """What a scorer that has run found, by mmdet's names."""
        return {
            f'{scorer.params.iouType}_{name}': float(value)
            for name, value in zip(STATS, scorer.stats)
        }


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
def noted(module: ModuleType, names: tuple) -> Iterator[list[Any]]:
    """Collect the instances of a module's classes while it makes them."""
    made: list[Any] = []
    classes = {name: getattr(module, name) for name in names}

    def maker(kind: type) -> Any:
        def make(*args) -> Any:
            made.append(kind(*args))
            return made[-1]

        return make

    try:
        for name, kind in classes.items():
            setattr(module, name, maker(kind))
        yield made
    finally:
        for name, kind in classes.items():
            setattr(module, name, kind)


@METRICS.register_module()
class ExactCocoMetric(Unrounded, CocoMetric):
    """mmdet's COCO metric over pycocotools, not rounded."""


@METRICS.register_module()
class ExactFasterCocoMetric(Unrounded, FasterCocoMetric):
    """mmdet's COCO metric over faster-coco-eval, not rounded."""

    module = faster_coco_metric
    scorers = ('COCOeval_faster',)
