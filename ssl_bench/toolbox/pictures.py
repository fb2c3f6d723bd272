"""Ground truth next to predictions, drawn on the test images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from PIL import Image, ImageDraw, ImageFont
from torchvision.transforms.functional import pil_to_tensor, to_pil_image
from torchvision.utils import draw_segmentation_masks

from ssl_bench.data.contact_sheet import in_a_column, in_a_row, in_rows
from ssl_bench.files import atomic_path
from ssl_bench.pixels import read_rgb

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
            with atomic_path(Path(runner.work_dir) / FILE_NAME) as part:
                in_rows(self.tiles, 2, GAP).save(part, format='PNG')


def pair(sample, meta: dict, score: float) -> Image.Image:
    """Truth at the left, prediction at the right.

    Args:
        sample (BaseDataElement): A toolkit's, with its truth.
        meta (dict): The data set's classes and palette.
        score (float): Detections below it are not drawn.
    """
    image = Image.fromarray(read_rgb(sample.img_path))
    if 'pred_sem_seg' in sample:
        sides = [
            blend_labels(image, _array(part.data)[0], meta['palette'])
            for part in (sample.gt_sem_seg, sample.pred_sem_seg)
        ]
    elif 'pred_depth_map' in sample:
        parts = [
            _array(part.data)[0]
            for part in (sample.gt_depth_map, sample.pred_depth_map)
        ]
        sides = [grey_depth(part, parts[0].max()) for part in parts]
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
    return in_a_row(
        [
            under(name, side)
            for name, side in zip(('truth', 'predicted'), sides)
        ],
        GAP,
    )


def under(name: str, image: Image.Image) -> Image.Image:
    """The image below a line with its name."""
    line = Image.new('RGB', (image.width, 14), 'white')
    ImageDraw.Draw(line).text((2, 1), name, fill='black')
    return in_a_column([line, image], 0)


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
        labels (np.ndarray): (h, w) integers, resized to the image; 0, the
            background, stays.
        palette (Sequence): Colour of each label.
    """
    if labels.shape[::-1] != image.size:
        small = Image.fromarray(labels.astype(np.uint8))
        labels = np.asarray(small.resize(image.size, Image.Resampling.NEAREST))
    there = [label for label in np.unique(labels).tolist() if label > 0]
    if not there:
        return _enlarged(image)
    colours = [
        tuple(palette[label]) if label < len(palette) else (255, 255, 255)
        for label in there
    ]
    masks = np.stack([labels == label for label in there])
    return _enlarged(_with_masks(image, masks, colours, 0.6))


def grey_depth(depth: np.ndarray, farthest: float) -> Image.Image:
    """Depth in grey: near is bright, and what is not valid is black.

    Args:
        depth (np.ndarray): (H, W) metres; 0 is not valid.
        farthest (float): Metres; from there on it is dark.
    """
    share = np.clip(depth / max(farthest, 1e-6), 0, 1)
    levels = np.where(depth > 0, 255 - 215 * share, 0)
    return _enlarged(Image.fromarray(levels.astype(np.uint8)).convert('RGB'))


def draw_instances(image: Image.Image, instances, meta: dict) -> Image.Image:
    """Boxes with class and score, and masks where there are some."""
    labels = _array(instances.labels)
    colours = [tuple(meta['palette'][label]) for label in labels]
    masks = getattr(instances, 'masks', None)
    if masks is not None and len(masks):
        if hasattr(masks, 'to_ndarray'):  # mmdet's
            masks = masks.to_ndarray()
        image = _with_masks(image, _array(masks).astype(bool), colours, 0.5)
    boxes = _array(instances.bboxes) * _scale(image)
    texts = [meta['classes'][label] for label in labels]
    if 'scores' in instances:
        scores = _array(instances.scores)
        texts = [f'{text} {score:.2f}' for text, score in zip(texts, scores)]
    image = _enlarged(image)
    draw = ImageDraw.Draw(image)
    for box, text, colour in zip(boxes, texts, colours):
        draw.rectangle(box.tolist(), outline=colour, width=2)
        _label(draw, (box[0] + 1, max(box[1] - 11, 0)), text, colour)
    return image


def _with_masks(
    image: Image.Image,
    masks: np.ndarray,
    colours: Sequence[Colour],
    alpha: float,
) -> Image.Image:
    """Masks (N, H, W) in their colours over the image."""
    drawn = draw_segmentation_masks(
        pil_to_tensor(image), torch.from_numpy(masks), alpha, list(colours)
    )
    return to_pil_image(drawn)


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
