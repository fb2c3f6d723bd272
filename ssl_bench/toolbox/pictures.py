"""Ground truth next to predictions, drawn on the test images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
SIDE = 288  # pixels of a drawn image's longer side
GAP = 6
FILE_NAME = 'predictions.png'


@HOOKS.register_module()
class PicturesHook(Hook):
    """Draw a sheet of test images into the run's folder.

    Args:
        count (int): Images, spread evenly over the test set.
        score (float): Detections below it are not drawn.
    """

    def __init__(self, count: int, score: float = 0.3) -> None:
        self.count, self.score = count, score
        self.tiles: list[Image.Image] = []

    def before_test(self, runner: Runner) -> None:
        """Choose the images."""
        total = len(runner.test_dataloader.dataset)
        self.chosen = {i * total // self.count for i in range(self.count)}
        self.tiles, self.seen = [], 0

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch=None, outputs=None
    ) -> None:
        """Draw those of a batch that were chosen."""
        meta = runner.test_dataloader.dataset.metainfo
        for sample in outputs:
            if self.seen in self.chosen:
                self.tiles.append(pair(sample, meta, self.score))
            self.seen += 1

    def after_test(self, runner: Runner) -> None:
        """Write the sheet."""
        if self.tiles and runner.rank == 0:
            sheet(self.tiles).save(Path(runner.work_dir) / FILE_NAME)


def pair(sample, meta: dict, score: float) -> Image.Image:
    """Truth at the left, prediction at the right.

    Args:
        sample (BaseDataElement): A toolkit's, with its truth.
        meta (dict): The data set's classes and palette.
        score (float): Detections below it are not drawn.
    """
    image = Image.open(sample.img_path).convert('RGB')
    if 'pred_sem_seg' in sample:
        sides = [
            blend_labels(image, _array(part.data)[0], meta['palette'])
            for part in (sample.gt_sem_seg, sample.pred_sem_seg)
        ]
    elif 'pred_label' in sample:
        sides = [
            named(image, part, meta['classes'])
            for part in (sample.gt_label, sample.pred_label)
        ]
    else:
        found = sample.pred_instances
        found = found[found.scores >= score]
        sides = [
            draw_instances(image, part, meta)
            for part in (sample.gt_instances, found)
        ]
    width, height = sides[0].size
    tile = Image.new('RGB', (2 * width + GAP, height + 14), 'white')
    draw = ImageDraw.Draw(tile)
    for index, (side, name) in enumerate(zip(sides, ('truth', 'predicted'))):
        left = index * (width + GAP)
        tile.paste(side, (left, 14))
        draw.text((left + 2, 1), name, fill='black')
    return tile


def _array(value) -> np.ndarray:
    value = getattr(value, 'tensor', value)  # mmdet's boxes wrap a tensor
    return (
        value.detach().cpu().numpy()
        if hasattr(value, 'detach')
        else np.asarray(value)
    )


def _scale(image: Image.Image) -> float:
    return SIDE / max(image.size)


def _enlarged(image: Image.Image) -> Image.Image:
    scale = _scale(image)
    return image.resize([round(side * scale) for side in image.size])


def named(image: Image.Image, label, classes: Sequence[str]) -> Image.Image:
    """An image with the name of its class, (1,) index, written on it."""
    image = _enlarged(image)
    _label(
        ImageDraw.Draw(image),
        (2, 2),
        str(classes[int(label[0])]),
        (255, 255, 255),
    )
    return image


def blend_labels(
    image: Image.Image, labels: np.ndarray, palette: Sequence[Colour]
) -> Image.Image:
    """Colour every labelled pixel; void (255) turns white.

    Args:
        image (Image): RGB.
        labels (np.ndarray): (H, W) integers; 0, the background, stays.
        palette (Sequence): Colour of each label.
    """
    colours = np.full((256, 3), 255, np.uint8)
    colours[: len(palette)] = palette
    labels = labels.astype(np.uint8)
    pixels = np.asarray(image, np.float32)
    mixed = np.where(
        (labels > 0)[..., None], 0.4 * pixels + 0.6 * colours[labels], pixels
    )
    return _enlarged(Image.fromarray(mixed.astype(np.uint8)))


def draw_instances(image: Image.Image, instances, meta: dict) -> Image.Image:
    """Boxes with class and score, and masks where there are some."""
    masks = getattr(instances, 'masks', None)
    if masks is not None and len(masks):
        pixels = np.asarray(image, np.float32).copy()
        masks = (
            masks.to_ndarray()
            if hasattr(masks, 'to_ndarray')
            else _array(masks)
        )
        for mask, label in zip(masks.astype(bool), _array(instances.labels)):
            pixels[mask] = 0.5 * pixels[mask] + 0.5 * np.array(
                meta['palette'][label]
            )
        image = Image.fromarray(pixels.astype(np.uint8))
    scale = _scale(image)
    image = _enlarged(image)
    draw = ImageDraw.Draw(image)
    scores = _array(instances.scores) if 'scores' in instances else None
    for index, (box, label) in enumerate(
        zip(_array(instances.bboxes) * scale, _array(instances.labels))
    ):
        colour = tuple(meta['palette'][label])
        text = meta['classes'][label]
        if scores is not None:
            text += f' {scores[index]:.2f}'
        draw.rectangle(box.tolist(), outline=colour, width=2)
        _label(draw, (box[0] + 1, max(box[1] - 11, 0)), text, colour)
    return image


def _label(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    colour: Colour,
) -> None:
    font = ImageFont.load_default()
    draw.rectangle(draw.textbbox(place, text, font=font), fill=colour)
    bright = sum(colour) > 380
    draw.text(place, text, fill='black' if bright else 'white', font=font)


def sheet(tiles: Sequence[Image.Image], columns: int = 2) -> Image.Image:
    """Join pictures of about one size, row by row."""
    width = max(tile.width for tile in tiles) + GAP
    height = max(tile.height for tile in tiles) + GAP
    rows = -(-len(tiles) // columns)
    page = Image.new('RGB', (columns * width, rows * height), 'white')
    for index, tile in enumerate(tiles):
        page.paste(tile, (index % columns * width, index // columns * height))
    return page
