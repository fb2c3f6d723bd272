"""Ground truth next to predictions, on a sheet of test images."""

from collections.abc import Callable, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from PIL import Image, ImageDraw

from ssl_bench.data.contact_sheet import in_a_column, in_rows
from ssl_bench.data.legend import LINE, draw_legend, font
from ssl_bench.errors import one_line
from ssl_bench.sheet_file import (
    PREDICTED,
    PREDICTIONS,
    TRUTH,
    Contents,
    Legend,
    Tile,
    save_sheet,
)
from ssl_bench.toolbox.drawing import Drawn, draw_sample

GAP = 6
FILE_NAME = 'predictions.png'
MAX_CLASSES = 30  # in a legend
PAIRS = 2  # in a row


class Named(NamedTuple):
    """A drawn image with the path of its file."""

    path: str
    drawn: Drawn


@HOOKS.register_module()
class PicturesHook(Hook):
    """Draw a sheet of test images into the run's folder.

    What cannot be drawn is a warning: the numbers of the run do not need it.

    Args:
        count (int): Images, spread evenly over the test set.
        score (float): Detections below it are not drawn ...
        best (int): ... unless all of an image are: then so many of the best
            are.
    """

    def __init__(self, count: int, score: float = 0.3, best: int = 3) -> None:
        self.count, self.score, self.best = count, score, best
        self.drawn: list[Named] = []
        self.failed = False

    def before_test(self, runner: Runner) -> None:
        """Choose the images."""
        total = len(runner.test_dataloader.dataset)
        self.chosen = {i * total // self.count for i in range(self.count)}
        self.drawn, self.seen, self.failed = [], 0, False

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Draw those of a batch that were chosen."""
        for sample in outputs:
            if self.seen in self.chosen and not self.failed:
                self._try(self._draw, runner, sample)
            self.seen += 1

    def after_test(self, runner: Runner) -> None:
        """Write the sheet."""
        if self.drawn and runner.rank == 0 and not self.failed:
            self._try(self._write, runner)

    def _draw(self, runner: Runner, sample) -> None:
        meta = runner.test_dataloader.dataset.metainfo
        drawn = draw_sample(sample, meta, self.score, self.best)
        self.drawn.append(Named(sample.img_path, drawn))

    def _write(self, runner: Runner) -> None:
        sheet, contents = sheet_of(self.drawn, runner.seed)
        save_sheet(sheet, Path(runner.work_dir) / FILE_NAME, contents)

    def _try(self, draw: Callable, runner: Runner, *arguments) -> None:
        try:
            draw(runner, *arguments)
        except Exception as error:
            self.failed = True
            runner.logger.warning(
                f'no picture of the predictions: {type(error).__name__}: '
                f'{one_line(error)}'
            )


def sheet_of(
    images: Sequence[Named], seed: int | None = None
) -> tuple[Image.Image, Contents]:
    """Truth and prediction of each image, below what their colours mean.

    Args:
        images (Sequence[Named]): At least one.
        seed (int, optional): Of the run.
    """
    names = short_names([image.path for image in images])
    titled = []
    for name, (_, drawn) in zip(names, images):
        found = PREDICTED + (f'; {drawn.note}' if drawn.note else '')
        titled += [
            under(f'{name}: {TRUTH}', drawn.truth),
            under(found, drawn.predicted),
        ]
    legend = short_legend([entry for i in images for entry in i.drawn.legend])
    rows = in_rows(titled, 2 * PAIRS, GAP)
    head = draw_legend(legend, rows.width)
    boxes = _boxes(titled, head.height + GAP)
    tiles = [
        Tile(name, column, boxes.pop(0), note)
        for name, (_, drawn) in zip(names, images)
        for column, note in ((TRUTH, ''), (PREDICTED, drawn.note))
    ]
    return in_a_column([head, rows], GAP), Contents(
        PREDICTIONS, legend, tiles, seed=seed
    )


def _boxes(
    titled: Sequence[Image.Image], top: int
) -> list[tuple[int, int, int, int]]:
    """Where `in_rows` puts the images below their titles."""
    boxes = []
    for start in range(0, len(titled), 2 * PAIRS):
        row, left = titled[start : start + 2 * PAIRS], 0
        for image in row:
            right, bottom = left + image.width, top + image.height
            boxes.append((left, top + LINE, right, bottom))
            left = right + GAP
        top += max(image.height for image in row) + GAP
    return boxes


def short_names(paths: Sequence[str]) -> list[str]:
    """The ends of paths that differ; equal paths get a number."""
    parts = [PurePath(path).parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = ['/'.join(part[-length:]) for part in parts]
        if len(set(names)) == len(set(paths)):
            break
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(name if seen[name] == 1 else f'{name} #{seen[name]}')
    return numbered


def short_legend(entries: Sequence[Legend]) -> list[Legend]:
    """Every entry once: texts, then colours, and how many are left out."""
    found = list(dict.fromkeys(entries))
    texts = [entry for entry in found if not entry[0]]
    colours = [entry for entry in found if entry[0]]
    more = len(colours) - MAX_CLASSES
    if more > 0:
        colours = colours[:MAX_CLASSES]
        colours.append(('', f'and {more} more classes'))
    return [*texts, *colours]


def under(name: str, image: Image.Image) -> Image.Image:
    """The image below a line with its name."""
    letters, text = font(), name
    while text and letters.getlength(text) > image.width - 4:
        text = text[:-1]
    if text != name:
        text = f'{text[:-1]}…'
    line = Image.new('RGB', (image.width, LINE), 'white')
    ImageDraw.Draw(line).text((2, 2), text, fill='black', font=letters)
    return in_a_column([line, image], 0)
