"""What own data are, after they were read."""

import os
from collections.abc import Callable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ssl_bench.tasks.datasets import Dataset

Kind = Literal['coco', 'voc', 'masks', 'folders']
OWN = 'custom:'  # how the ids of tasks begin that are not in the table


class OwnSplit(BaseModel):
    """Training or test images and their labels; absolute paths.

    Attributes:
        images (str): Folder of the images. Of ``folders``: above the folders
            of the classes.
        labels (str): Annotation file (``coco``), folder of XML files
            (``voc``) or of masks (``masks``); empty for ``folders``.
        names (str): File that lists the images which are taken, if not all
            are: one in a line, relative to ``images``, without its ending
            for ``voc`` and ``masks``; of ``folders``: ``class/image label``.
            A part of ``coco`` is an annotation file of its own.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    images: str
    labels: str = ''
    names: str = ''


class OwnData(BaseModel):
    """Own data that can take the place of a task's data set.

    Attributes:
        name (str): For people; rows are called ``custom:NAME``.
        kind (str): ``coco``, ``voc``, ``masks`` or ``folders``.
        train, val (OwnSplit): Training and test images.
        classes (tuple[str, ...]): In the order of the labels.
        masked (bool): Of ``coco``: objects have masks; of a task's own data:
            and the task uses them.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    name: str
    kind: Kind
    train: OwnSplit
    val: OwnSplit
    classes: tuple[str, ...]
    masked: bool = False

    @property
    def apart(self) -> bool:
        """Whether training and test images have folders of their own.

        Then an image without labels is one that was forgotten.
        """
        listed = self.train.names or self.val.names
        folders = {
            os.path.realpath(split.images) for split in (self.train, self.val)
        }
        return not listed and len(folders) > 1

    @property
    def title(self) -> str:
        """What records call the data."""
        return f'{OWN}{self.name}'

    def task_id(self, task: str) -> str:
        """Id of a task on these data: ``custom:NAME/TASK``."""
        return f'{self.title}/{task.removeprefix(OWN)}'

    def dataset(self) -> Dataset:
        """As a row of the table of data sets; its paths are absolute."""
        return BUILDERS[self.kind](self)


Builder = Callable[[OwnData], Dataset]
BUILDERS: dict[Kind, Builder] = {}  # `ssl_bench.tasks.own` imports them all


def builds(kind: Kind) -> Callable[[Builder], Builder]:
    """Say of a function that it builds `OwnData.dataset` of a kind."""

    def note(builder: Builder) -> Builder:
        BUILDERS[kind] = builder
        return builder

    return note
