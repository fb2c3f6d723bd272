"""A fixed part of a training set, the same for every method."""

import random
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS

from ssl_bench.errors import UserError


@DATASETS.register_module()
class FractionDataset:
    """Some images of another data set, drawn once from a seed.

    The seed is the list's own, not the run's: every method and every run
    sees the same images. Lists of two fractions are nested.

    Args:
        dataset (dict | BaseDataset): The whole.
        fraction (float): Above 0, at most 1.
        seed (int): Of the draw.
    """

    def __init__(self, dataset: Any, fraction: float, seed: int = 0) -> None:
        if not 0 < fraction <= 1:
            raise ValueError(
                f'fraction must be above 0 and at most 1, got {fraction}.'
            )
        self.dataset = (
            DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        )
        self.fraction, self.seed = fraction, seed
        self.full_init()

    def full_init(self) -> None:
        """Read the whole and draw."""
        self.dataset.full_init()
        order = list(range(len(self.dataset)))
        random.Random(self.seed).shuffle(order)
        count = max(1, round(len(order) * self.fraction))
        self.indices: list[int] = sorted(order[:count])

    @property
    def metainfo(self) -> dict:
        """Of the whole."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def get_data_info(self, index: int) -> dict:
        """Of one image, which samplers by shape ask for."""
        return self.dataset.get_data_info(self.indices[index])

    def get_cat_ids(self, index: int) -> list[int]:
        """Labels of one image, which samplers by class ask for."""
        return self.dataset.get_cat_ids(self.indices[index])


def take_fraction(config: Config, fraction: float, seed: int = 0) -> str:
    """Train on a part; return what a record should say.

    What a task holds out of the training images is held out of the part.

    Raises:
        UserError: The task trains on nothing.
    """
    if not config.get('train_dataloader'):
        raise UserError(
            'this task reads no training images: leave out --fraction.'
        )
    for name in ('train_dataloader', 'held_out_dataloader'):
        if name in config:
            config[name].dataset = dict(
                type='mmengine.FractionDataset',
                fraction=fraction,
                seed=seed,
                dataset=config[name].dataset,
            )
    return (
        f'{fraction:g} of the training images, drawn with seed {seed}; '
        'the schedule is that of the whole'
    )
