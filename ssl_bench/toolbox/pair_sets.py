"""SPair-71k as mmpretrain's loaders read it: each image of the pairs once."""

from collections.abc import Sequence
from random import Random

from mmpretrain.datasets import BaseDataset
from mmpretrain.registry import DATASETS

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
        self.per_category, self.seed = pairs_per_category, shuffle_seed
        super().__init__(ann_file='', data_root=data_root, **kwargs)

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
