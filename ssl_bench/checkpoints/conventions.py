"""What a ResNet expects of its input, and where its blocks stride.

No tensor tells either: a network of one convention loads into one of the
other without an error, and its features are wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ssl_bench.errors import UserError, unknown_name


@dataclass(frozen=True)
class Convention:
    """How a program trains its ResNets.

    Args:
        style (str): The toolkits' word: ``pytorch`` strides in the 3x3
            convolution of a bottleneck, ``caffe`` in the first 1x1.
        rgb (bool): Order of the channels; False is BGR.
        mean, std (tuple[float, ...]): Of the pixels, in that order, on the
            scale 0 to 255.
    """

    style: str
    rgb: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


TORCHVISION = 'torchvision'
CAFFE = 'caffe'
CONVENTIONS = {
    TORCHVISION: Convention(
        'pytorch', True, (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    ),
    # MSRA's ResNets of 2015 and all that Detectron2 trains by default:
    # detectron2/config/defaults.py, PIXEL_MEAN, PIXEL_STD, STRIDE_IN_1X1
    CAFFE: Convention(
        'caffe', False, (103.53, 116.28, 123.675), (1.0, 1.0, 1.0)
    ),
}


def check_convention(meta: Mapping[str, Any]) -> None:
    """Check the header field of that name.

    Raises:
        UserError: It names no convention, or the encoder is no ResNet.
    """
    name = meta.get('convention')
    if name is None:
        return
    if name not in CONVENTIONS:
        raise unknown_name('convention', str(name), CONVENTIONS)
    if name != TORCHVISION and meta['arch_args']['family'] != 'resnet':
        raise UserError(
            f'convention={name} is one of ResNets, and this is '
            f'{meta["arch"]}: leave it away.'
        )


def author_of(content: Any) -> str:
    """What a file of Detectron2's says of who wrote it, in lower case."""
    author = content.get('__author__') if isinstance(content, Mapping) else ''
    return str(author or '').casefold()


def convention_of_author(content: Any) -> str | None:
    """The convention of a file with Detectron2's names, by its author.

    Returns:
        str | None: None where the author is known for neither, for instance
        MoCo's conversion of a pretrained network.
    """
    author = author_of(content)
    if 'torchvision' in author:
        return TORCHVISION
    if 'caffe2' in author or 'msra' in author:
        return CAFFE
    return None
