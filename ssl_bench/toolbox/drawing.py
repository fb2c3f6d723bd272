"""Truth and prediction of a test image, drawn, with what colours mean."""

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from PIL import Image, ImageDraw
from torchvision.transforms.functional import pil_to_tensor, to_pil_image
from torchvision.utils import draw_segmentation_masks

from ssl_bench.data.legend import font
from ssl_bench.pixels import read_rgb
from ssl_bench.sheet_file import Legend

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
SIDE = 288  # pixels of a drawn image's longer side
DASH, DASH_GAP = 6, 4  # pixels
LABEL = 12  # pixels from one label to the next below it
VOID, WHITE = 255, (255, 255, 255)
RIGHT, WRONG, PLAIN = (26, 127, 55), (198, 40, 40), (40, 40, 40)
# grey of the least and of the largest depth
NEAR, FAR = 255, 40


class Drawn(NamedTuple):
    """A test image.

    Args:
        truth, predicted (PIL.Image.Image): Of the same size.
        note (str): What must be known about the prediction.
        legend (Sequence[Legend]): What the colours of both mean.
    """

    truth: Image.Image
    predicted: Image.Image
    note: str = ''
    legend: Sequence[Legend] = ()


def draw_sample(
    sample: BaseDataElement, meta: Mapping[str, Any], score: float, best: int
) -> Drawn:
    """Draw what a toolkit's network predicts on an image, and the truth.

    Args:
        sample (BaseDataElement): A toolkit's, with its truth.
        meta (Mapping): The data set's classes and palette.
        score (float): Detections below it are not drawn ...
        best (int): ... unless all are: then so many of the best are.
    """
    if 'pred_depth_map' in sample:
        return draw_depths(
            array(sample.gt_depth_map.data)[0],
            array(sample.pred_depth_map.data)[0],
        )
    image = Image.fromarray(read_rgb(sample.img_path))
    if 'pred_sem_seg' in sample:
        return draw_labels(
            image,
            array(sample.gt_sem_seg.data)[0],
            array(sample.pred_sem_seg.data)[0],
            meta,
        )
    if 'pred_label' in sample:
        return draw_class(image, sample, meta['classes'])
    return draw_detections(image, sample, meta, score, best)


def array(value) -> np.ndarray:
    """Numbers of a tensor, an array, or the boxes of mmdet."""
    value = getattr(value, 'tensor', value)  # mmdet's boxes wrap a tensor
    return (
        value.detach().cpu().numpy()
        if hasattr(value, 'detach')
        else np.asarray(value)
    )


def colour_of(label: int, meta: Mapping[str, Any]) -> Colour:
    """Colour of a class; made up where the data set names none."""
    palette = meta.get('palette') or ()
    if isinstance(palette, str) or label >= len(palette):
        rgb = colorsys.hls_to_rgb(label * 0.618034 % 1, 0.5, 0.8)
        red, green, blue = (round(255 * part) for part in rgb)
        return red, green, blue
    red, green, blue = palette[label]
    return red, green, blue


def hexed(colour: Colour) -> str:
    """``#rrggbb``."""
    return '#{:02x}{:02x}{:02x}'.format(*colour)


def legend_of(labels: Iterable[int], meta: Mapping[str, Any]) -> list[Legend]:
    """Colours of classes, in the order of their numbers."""
    return [
        (hexed(colour_of(label, meta)), str(meta['classes'][label]))
        for label in sorted(set(labels))
        if label < len(meta['classes'])
    ]


def _scale(image: Image.Image) -> float:
    return SIDE / max(image.size)


def _enlarged(image: Image.Image) -> Image.Image:
    scale = _scale(image)
    return image.resize([max(1, round(side * scale)) for side in image.size])


def draw_class(
    image: Image.Image, sample: BaseDataElement, classes: Sequence[str]
) -> Drawn:
    """The class of an image, and whether the predicted one is right."""
    truth = array(sample.gt_label).reshape(-1).astype(int).tolist()
    found = int(array(sample.pred_label).reshape(-1)[0])
    right = found in truth
    colour = RIGHT if right else WRONG
    text = f'{classes[found]}: {"right" if right else "wrong"}'
    if 'pred_score' in sample:
        text += f', {float(array(sample.pred_score).max()):.2f}'
    image = _enlarged(image)
    sides = image.copy(), image.copy()
    names = ' or '.join(str(classes[label]) for label in truth)
    _label(ImageDraw.Draw(sides[0]), (2, 2), names, PLAIN)
    draw = ImageDraw.Draw(sides[1])
    width, height = image.size
    draw.rectangle((0, 0, width - 1, height - 1), outline=colour, width=4)
    _label(draw, (4, 4), text, colour)
    legend = [
        ('', 'The class of each image, and how probable the network finds it'),
        (hexed(RIGHT), 'right'),
        (hexed(WRONG), 'wrong'),
    ]
    return Drawn(*sides, text, legend)


def draw_labels(
    image: Image.Image,
    truth: np.ndarray,
    found: np.ndarray,
    meta: Mapping[str, Any],
) -> Drawn:
    """The class of every pixel, (h, w), as a colour over the image."""
    labels = {int(n) for part in (truth, found) for n in np.unique(part)}
    legend = legend_of(labels - set(uncoloured(meta)), meta)
    if VOID in labels:
        legend.append(('', 'White is not labelled.'))
    if labels & set(uncoloured(meta)):
        legend.append(('', 'Background has no colour.'))
    return Drawn(
        blend_labels(image, truth, meta),
        blend_labels(image, found, meta),
        legend=legend,
    )


def uncoloured(meta: Mapping[str, Any]) -> list[int]:
    """Numbers of the classes that leave the image as it is."""
    plain = 'background', 'no class'
    return [n for n, name in enumerate(meta['classes']) if name in plain]


def blend_labels(
    image: Image.Image, labels: np.ndarray, meta: Mapping[str, Any]
) -> Image.Image:
    """Colour every labelled pixel; void (255) turns white.

    Args:
        image (Image): RGB.
        labels (np.ndarray): (h, w) integers, resized to the image.
        meta (Mapping): The classes and their palette.
    """
    if labels.shape[::-1] != image.size:
        small = Image.fromarray(labels.astype(np.uint8))
        labels = np.asarray(small.resize(image.size, Image.Resampling.NEAREST))
    plain = uncoloured(meta)
    there = [n for n in np.unique(labels).tolist() if n not in plain]
    if not there:
        return _enlarged(image)
    colours = [WHITE if n == VOID else colour_of(n, meta) for n in there]
    masks = np.stack([labels == label for label in there])
    return _enlarged(_with_masks(image, masks, colours, 0.6))


def draw_depths(truth: np.ndarray, found: np.ndarray) -> Drawn:
    """Depths in metres, (H, W); the darkest grey is the truth's largest."""
    farthest = float(truth.max())
    legend = [
        (hexed((NEAR,) * 3), 'near'),
        (
            hexed((FAR,) * 3),
            'as far as the metres over the image say, or farther',
        ),
        ('#000000', 'not measured'),
    ]
    return Drawn(
        grey_depth(truth, farthest),
        grey_depth(found, farthest),
        f'darkest grey: {farthest:.1f} m',
        legend,
    )


def grey_depth(depth: np.ndarray, farthest: float) -> Image.Image:
    """Depth in grey: near is bright, and what is not valid is black.

    Args:
        depth (np.ndarray): (H, W) metres; 0 is not valid.
        farthest (float): Metres; from there on it is dark.
    """
    share = np.clip(depth / max(farthest, 1e-6), 0, 1)
    levels = np.where(depth > 0, NEAR - (NEAR - FAR) * share, 0)
    return _enlarged(Image.fromarray(levels.astype(np.uint8)).convert('RGB'))


def draw_detections(
    image: Image.Image,
    sample: BaseDataElement,
    meta: Mapping[str, Any],
    score: float,
    best: int,
) -> Drawn:
    """Boxes of the truth and of the network."""
    truth, found = sample.gt_instances, sample.pred_instances
    scores, note = array(found.scores), ''
    chosen, dashed = found[found.scores >= score], False
    if not len(chosen):
        order = np.argsort(-scores, kind='stable')[:best]
        chosen, dashed = found[torch.from_numpy(order)], True
        several = (
            'the best one' if len(order) == 1 else f'the {len(order)} best'
        )
        note = f'none above {score:g}: {several}' if len(order) else 'no boxes'
    labels = [int(n) for part in (truth, chosen) for n in array(part.labels)]
    legend = [
        (
            '',
            f'Boxes with class and score, from {score:g} on; if none has it, '
            f'the {best} best, with dashes.',
        ),
        *legend_of(labels, meta),
    ]
    return Drawn(
        draw_instances(image, truth, meta),
        draw_instances(image, chosen, meta, dashed),
        note,
        legend,
    )


def draw_instances(
    image: Image.Image,
    instances,
    meta: Mapping[str, Any],
    dashed: bool = False,
) -> Image.Image:
    """Boxes with class and score, and masks where there are some.

    Args:
        image (Image): RGB.
        instances (InstanceData): A toolkit's.
        meta (Mapping): The classes and their palette.
        dashed (bool): Boxes have broken lines.
    """
    labels = array(instances.labels).tolist()
    colours = [colour_of(label, meta) for label in labels]
    masks = getattr(instances, 'masks', None)
    if masks is not None and len(masks):
        if hasattr(masks, 'to_ndarray'):  # mmdet's
            masks = masks.to_ndarray()
        image = _with_masks(image, array(masks).astype(bool), colours, 0.5)
    boxes = array(instances.bboxes) * _scale(image)
    texts = [str(meta['classes'][label]) for label in labels]
    if 'scores' in instances:
        scores = array(instances.scores)
        texts = [f'{text} {score:.2f}' for text, score in zip(texts, scores)]
    image = _enlarged(image)
    draw = ImageDraw.Draw(image)
    taken: list[Box] = []
    outline = dashed_box if dashed else ImageDraw.ImageDraw.rectangle
    for box, colour in zip(boxes.tolist(), colours):
        outline(draw, box, outline=colour, width=2)
    for box, text, colour in zip(boxes.tolist(), texts, colours):
        taken.append(_label(draw, (box[0], box[1] - 13), text, colour, taken))
    return image


def dashed_box(
    draw: ImageDraw.ImageDraw,
    box: Sequence[float],
    outline: Colour,
    width: int,
) -> None:
    """A box with broken lines, each from its left or upper end."""
    x0, y0, x1, y1 = box
    inside = width - 1
    for x in (x0, x1 - inside):
        for y in np.arange(y0, y1, DASH + DASH_GAP).tolist():
            end = min(y + DASH, y1)
            draw.rectangle((x, y, x + inside, end), fill=outline)
    for y in (y0, y1 - inside):
        for x in np.arange(x0, x1, DASH + DASH_GAP).tolist():
            end = min(x + DASH, x1)
            draw.rectangle((x, y, end, y + inside), fill=outline)


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
    taken: Sequence[Box] = (),
) -> Box:
    """Text on its colour, in the image and, if there is room, on no other.

    Args:
        draw (ImageDraw): Of the image.
        place (tuple[float, float]): Its upper left corner, if it can be.
        text (str): In one line.
        colour (tuple): Behind the text.
        taken (Sequence): Boxes of other texts.

    Returns:
        tuple: Its box.
    """
    letters = font(11)
    width, height = draw.im.size
    left = max(0.0, min(place[0], width - letters.getlength(text) - 3))
    first = top = max(0.0, place[1])
    box = draw.textbbox((left + 1, top), text, font=letters)
    while any(_overlap(box, other) for other in taken):
        top += LABEL
        if top + LABEL > height:  # no room below: as it was
            top = first
            box = draw.textbbox((left + 1, top), text, font=letters)
            break
        box = draw.textbbox((left + 1, top), text, font=letters)
    draw.rectangle((box[0] - 1, box[1] - 1, box[2], box[3]), fill=colour)
    bright = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2] > 140
    ink = 'black' if bright else 'white'
    draw.text((left + 1, top), text, fill=ink, font=letters)
    return box


def _overlap(one: Box, other: Box) -> bool:
    return (
        one[0] < other[2]
        and other[0] < one[2]
        and one[1] < other[3]
        and other[1] < one[3]
    )
