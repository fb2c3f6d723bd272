"""What colour changes a view gets: drawn once, painted here or there.

A `Recipe` is a fixed sequence of operations. `Recipe.draw` draws whether each
one is applied, and its values. The pixels are changed from these numbers, in
the loader's worker (`Recipe.on_image`) or for a whole batch on any device
(`Recipe.on_batch`). Both give Pillow's pixels, as the papers' programs do.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ssl_bench.data.photometric import on_image
from ssl_bench.errors import UserError, unknown_name

Step = dict | Callable[[Tensor], Tensor]
Range = tuple[float, float]


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast, saturation and hue, in an order drawn.

    Args:
        brightness, contrast, saturation (float | tuple): Bounds of the
            factor; a number x means from 1 - x, at least 0, to 1 + x. With 0
            the change is left out.
        hue (float | tuple): Bounds of the shift in turns; a number x means
            from -x to x.
    """

    brightness: float | Range | None = 0
    contrast: float | Range | None = 0
    saturation: float | Range | None = 0
    hue: float | Range | None = 0

    draws: ClassVar[int] = 8
    columns: ClassVar[int] = 8

    def __post_init__(self) -> None:
        for i, name in enumerate(('brightness', 'contrast', 'saturation')):
            low, high = self.bounds[i] or (1.0, 1.0)
            if not 0 <= low <= high:
                raise UserError(
                    f'ColorJitter: {name} {getattr(self, name)} must be a '
                    'number from 0, or two rising ones.'
                )
        low, high = self.bounds[3] or (0.0, 0.0)
        if not -0.5 <= low <= high <= 0.5:
            raise UserError(
                f'ColorJitter: hue {self.hue} must be a number from 0 to '
                '0.5, or two rising ones from -0.5 to 0.5.'
            )

    @cached_property
    def bounds(self) -> list[Range | None]:
        """Of the four factors; None for one that is left out."""
        return [
            _bounds(self.brightness, 1.0),
            _bounds(self.contrast, 1.0),
            _bounds(self.saturation, 1.0),
            _bounds(self.hue, 0.0),
        ]

    def values(self, uniform: Sequence[float]) -> list[float]:
        """The order of the changes, then their factors.

        Returns:
            list[float]: Four times 0 brightness, 1 contrast, 2 saturation, 3
            hue, in the order of application, -1 for none; then four factors
            in the order of these numbers.
        """
        bounds = self.bounds
        order = sorted(range(4), key=uniform[:4].__getitem__)
        return [
            *(float(i) if bounds[i] is not None else -1.0 for i in order),
            *(
                _between(limits, u) if limits else 1.0
                for limits, u in zip(bounds, uniform[4:])
            ),
        ]


@dataclass(frozen=True)
class RandomGrayscale:
    """Three equal channels, with probability ``p``."""

    p: float = 0.1

    draws: ClassVar[int] = 0
    columns: ClassVar[int] = 0

    def values(self, uniform: Sequence[float]) -> list[float]:
        """Nothing."""
        return []


@dataclass(frozen=True)
class RandomGaussianBlur:
    """Blur with a standard deviation drawn for each image.

    It is Pillow's ``GaussianBlur(radius=sigma)``, as in the papers'
    programs: three box filters in each direction. The Gaussian itself would
    differ by up to 21 grey levels.

    Args:
        sigma (tuple): Lower and upper bound in pixels, drawn uniformly.
        p (float): Probability of blurring at all.
    """

    sigma: Range = (0.1, 2.0)
    p: float = 0.5

    draws: ClassVar[int] = 1
    columns: ClassVar[int] = 1

    def __post_init__(self) -> None:
        low, high = self.sigma
        if not 0 <= low <= high:
            raise UserError(
                f'RandomGaussianBlur: sigma {self.sigma} must be two rising '
                'numbers of pixels from 0.'
            )

    def values(self, uniform: Sequence[float]) -> list[float]:
        """The standard deviation in pixels."""
        return [_between(self.sigma, uniform[0])]


@dataclass(frozen=True)
class RandomSolarize:
    """Invert the values from ``threshold`` on, with probability ``p``."""

    threshold: float
    p: float = 0.5

    draws: ClassVar[int] = 0
    columns: ClassVar[int] = 1

    def values(self, uniform: Sequence[float]) -> list[float]:
        """The threshold in levels."""
        return [float(self.threshold)]


@dataclass(frozen=True)
class RandomInvert:
    """Invert all values, with probability ``p``."""

    p: float = 0.5

    draws: ClassVar[int] = 0
    columns: ClassVar[int] = 0

    def values(self, uniform: Sequence[float]) -> list[float]:
        """Nothing."""
        return []


@dataclass(frozen=True)
class Foreign:
    """A change that only a worker can make: a callable, or torchvision's."""

    function: Callable[[Tensor], Tensor]

    draws: ClassVar[int] = 0
    columns: ClassVar[int] = 0

    def values(self, uniform: Sequence[float]) -> list[float]:
        """Nothing: the function draws when it is called."""
        return []


Settings = (
    ColorJitter
    | RandomGrayscale
    | RandomGaussianBlur
    | RandomSolarize
    | RandomInvert
    | Foreign
)
KINDS: dict[str, Callable[..., Settings]] = {
    kind.__name__: kind
    for kind in (
        ColorJitter,
        RandomGrayscale,
        RandomGaussianBlur,
        RandomSolarize,
        RandomInvert,
    )
}


@dataclass(frozen=True)
class Operation:
    """One operation of a recipe.

    Attributes:
        name (str): Its key in ``on_image.PAINT`` and ``on_batch.PAINT``, or
            ``'Foreign'``.
        step (Settings): Its settings.
        chances (tuple): Pairs of an index of the uniform numbers and a
            probability; it is applied when each number is below its
            probability.
        at (int): Index of the first uniform number of its values.
        columns (slice): Its parameters: whether it is applied (0 or 1), and
            then its values.
    """

    name: str
    step: Settings
    chances: tuple[tuple[int, float], ...]
    at: int
    columns: slice


@dataclass
class Recipe:
    """A fixed sequence of colour changes. `build_photometric` makes it.

    Attributes:
        operations (list[Operation]): In the order of application.
        draws (int): How many uniform numbers one view takes.
        width (int): How many parameters one view has.
    """

    operations: list[Operation] = field(default_factory=list)
    draws: int = 0
    width: int = 0

    def __call__(self, image: Tensor) -> Tensor:
        """Draw, and paint one view: uint8, (3, H, W)."""
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        painted = self.on_image(pixels, self.draw())
        return torch.from_numpy(painted).permute(2, 0, 1)

    def draw(self) -> Tensor:
        """Draw one view's parameters from torch's global generator.

        Returns:
            Tensor: float64, (width,).
        """
        uniform = torch.rand(self.draws, dtype=torch.float64).tolist()
        parameters: list[float] = []
        for op in self.operations:
            applied = all(uniform[i] < p for i, p in op.chances)
            parameters.append(float(applied))
            parameters += op.step.values(uniform[op.at :])
        return torch.from_numpy(np.array(parameters, np.float64))

    def on_image(self, pixels: np.ndarray, parameters: Tensor) -> np.ndarray:
        """Paint one view.

        Args:
            pixels (ndarray): uint8, (H, W, 3), contiguous. It is not changed.
            parameters (Tensor): float64, (width,), from `draw`.

        Returns:
            ndarray: uint8, (H, W, 3).
        """
        numbers = parameters.tolist()
        for op in self.operations:
            applied, *values = numbers[op.columns]
            if not applied:
                continue
            if isinstance(op.step, Foreign):
                inner = torch.from_numpy(pixels).permute(2, 0, 1)
                pixels = np.ascontiguousarray(
                    op.step.function(inner).permute(1, 2, 0).numpy()
                )
            else:
                pixels = on_image.PAINT[op.name](pixels, *values)
        return pixels

    def on_batch(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Paint a batch of views of one recipe.

        Args:
            images (Tensor): uint8, (N, 3, H, W), on any device.
            parameters (Tensor): float64, (N, width), on the CPU.

        Returns:
            Tensor: uint8, (N, 3, H, W), on the same device.

        Raises:
            UserError: The recipe has steps that only a worker can do.
        """
        self.require_batches()
        from ssl_bench.data.photometric import on_batch

        images = images.clone()
        for op in self.operations:
            on_batch.PAINT[op.name](images, parameters[:, op.columns])
        return images

    def require_batches(self) -> None:
        """Check that a batch can be painted.

        Raises:
            UserError: The recipe has steps that only a worker can do.
        """
        for op in self.operations:
            if isinstance(op.step, Foreign):
                raise UserError(
                    f'the photometric step {op.step.function} runs in the '
                    "loader's workers only: set `photometric = 'worker'`. "
                    f'Batches take {", ".join(KINDS)}.'
                )


def build_photometric(steps: Sequence[Step]) -> Recipe:
    """Compose colour changes in the order given.

    Args:
        steps (sequence): Callables, or dicts whose ``type`` names a class of
            this file (``ColorJitter``, ``RandomGrayscale``, ...) or any
            other of `torchvision.transforms.v2`. ``RandomApply`` takes its
            ``transforms`` as such a list, and a probability ``p``.

    Returns:
        Recipe: Draws parameters, and changes images from them.

    Raises:
        UserError: A type that neither torchvision nor this module has, or
            arguments that it does not take.
    """
    recipe = Recipe()
    for step in steps:
        _append(recipe, step, ())
    return recipe


def _append(
    recipe: Recipe, step: Step, chances: tuple[tuple[int, float], ...]
) -> None:
    """Append a step, which is applied only when ``chances`` say so."""
    if not isinstance(step, dict):
        _add(recipe, 'Foreign', Foreign(step), chances)
        return
    arguments = dict(step)
    name = arguments.pop('type')
    if name == 'RandomApply':
        inner = arguments.pop('transforms', ())
        chances += (_chance(recipe, arguments.pop('p', 0.5)),)
        if arguments:
            raise UserError(
                f'RandomApply takes transforms and p, not {list(arguments)}.'
            )
        for each in inner:
            _append(recipe, each, chances)
    elif name in KINDS:
        try:
            kind = KINDS[name](**arguments)
        except TypeError as error:
            raise UserError(f'photometric step {step}: {error}') from error
        if hasattr(kind, 'p'):
            chances += (_chance(recipe, kind.p),)
        _add(recipe, name, kind, chances)
    else:
        _add(recipe, 'Foreign', Foreign(_torchvision_s(step)), chances)


def _chance(recipe: Recipe, p: float) -> tuple[int, float]:
    """Reserve a uniform number that decides with probability ``p``."""
    if not 0 <= p <= 1:
        raise UserError(f'a photometric step has probability {p}, not 0 to 1.')
    recipe.draws += 1
    return recipe.draws - 1, float(p)


def _add(recipe: Recipe, name: str, step, chances) -> None:
    """Append an operation, with its uniform numbers and parameters."""
    last = recipe.width + 1 + step.columns
    columns = slice(recipe.width, last)
    recipe.operations.append(
        Operation(name, step, chances, recipe.draws, columns)
    )
    recipe.draws += step.draws
    recipe.width = last


def _torchvision_s(step: dict) -> Callable[[Tensor], Tensor]:
    """Build a transform of torchvision."""
    arguments = dict(step)
    name = arguments.pop('type')
    # imports torch's compiler, which takes half a second
    from torchvision.transforms import v2

    kind = getattr(v2, name, None)
    if kind is None:
        names = [n for n in dir(v2) if n[0].isupper()]
        raise unknown_name('photometric step', name, [*KINDS, *names])
    if 'transforms' in arguments:
        arguments['transforms'] = [
            inner
            if callable(inner) and not isinstance(inner, dict)
            else _torchvision_s(inner)
            for inner in arguments['transforms']
        ]
    return kind(**arguments)


def _bounds(value: float | Range | None, centre: float) -> Range | None:
    """Bounds of a jitter's factor, as torchvision reads its arguments."""
    if value is None:
        return None
    if isinstance(value, (int, float)):
        low = centre - value
        value = (max(0.0, low) if centre else low, centre + value)
    low, high = value
    return None if low == high == centre else (low, high)


def _between(bounds: Range, uniform: float) -> float:
    low, high = bounds
    return low + (high - low) * uniform
