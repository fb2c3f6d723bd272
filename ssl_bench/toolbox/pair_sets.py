"""SPair-71k as mmpretrain's loaders read it: each image of the pairs once."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import SpairLayout
from ssl_bench.tasks.layouts.spair import Pair, Paired, PairedImage


@DATASETS.register_module()
class SpairImages(BaseDataset):
    """The images of a split's pairs; an image's label is its category.

    Args:
        data_root (str): The unpacked archive.
        split (str): ``trn``, ``val`` or ``test``.
        list_size (str): ``large`` or ``small``.
        pairs_per_category (int, optional): At most so many pairs of each
            category; all of them when None.
        shuffle_seed (int, optional): Of Python's generator, which shuffles
            the pairs of each category before the first are taken; None: in
            the order of the list.
        **kwargs: Of mmpretrain's ``BaseDataset``.

    Attributes:
        paired (Paired): The images of this set, and the pairs.
    """

    def __init__(
        self,
        data_root: str,
        *,
        split: str,
        list_size: str,
        pairs_per_category: int | None,
        shuffle_seed: int | None,
        **kwargs,
    ) -> None:
        self.layout = SpairLayout(
            folder=data_root, split=split, list_size=list_size
        )
        self.check_settings(
            dict(kwargs, pairs_per_category=pairs_per_category)
        )
        self.per_category, self.seed = pairs_per_category, shuffle_seed
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    @staticmethod
    def check_settings(settings: Mapping[str, Any]) -> None:
        """Refuse settings that no pairs can be taken with.

        Args:
            settings (Mapping): Of the set.

        Raises:
            UserError: Some of the images, which parts pairs, or no pairs.
        """
        if settings.get('indices') is not None:
            raise UserError(
                'indices takes images of SpairImages and parts its pairs; '
                'for fewer of them, set pairs_per_category.'
            )
        most = settings.get('pairs_per_category')
        if most is not None and (type(most) is not int or most < 1):
            raise UserError(
                'pairs_per_category must be a whole number, 1 or more, or '
                f'None, not {most!r}.'
            )

    def load_data_list(self) -> list[dict]:
        """Path, size and category of every image.

        Raises:
            UserError: The layout has a problem.
        """
        reading = self.layout.read(scored=True)
        reading.refuse()
        self.notes = reading.notes
        chosen = choose_pairs(reading.pairs, self.per_category, self.seed)
        self.paired = only_paired(reading.entries, chosen)
        images = self.paired.images
        names = sorted({image.category for image in images})
        self._metainfo['classes'] = tuple(names)
        return [
            dict(
                img_path=image.image,
                width=image.size[0],
                height=image.size[1],
                gt_label=names.index(image.category),
            )
            for image in images
        ]


def choose_pairs(
    pairs: Sequence[Pair], per_category: int | None, seed: int | None
) -> list[Pair]:
    """Some pairs of each category, the categories in alphabetical order.

    Args:
        pairs (Sequence[Pair]): Of all categories.
        per_category, seed: As `SpairImages`.
    """
    chosen = []
    for category in sorted({pair.category for pair in pairs}):
        here = [pair for pair in pairs if pair.category == category]
        if seed is not None:
            Random(seed).shuffle(here)
        chosen += here[:per_category]
    return chosen


def only_paired(
    images: Sequence[PairedImage], pairs: Sequence[Pair]
) -> Paired:
    """The images that are in a pair, and the pairs with new indices."""
    kept = sorted(
        {end for pair in pairs for end in (pair.source, pair.target)}
    )
    place = {old: new for new, old in enumerate(kept)}
    return Paired(
        [images[old] for old in kept],
        [
            pair._replace(source=place[pair.source], target=place[pair.target])
            for pair in pairs
        ],
    )
