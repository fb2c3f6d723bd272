"""What the runs of a judgement give, and what its verdict is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field

RANDOM, SUPERVISED = 'random', 'supervised'  # the two kinds of controls
FROZEN, FINE_TUNED = 'frozen', 'fine-tuned'

Cell = tuple[str, float]  # mode and fraction


@dataclass(frozen=True)
class Score:
    """The test score of one run.

    Attributes:
        weights (str): Label of the checkpoint or of the control.
        control (str): ``random``, ``supervised``, or empty for a checkpoint.
        mode (str): ``frozen`` or ``fine-tuned``.
        fraction (float): Of the training images, in (0, 1].
        seed (int): Picks the subset of the training images, the random
            weights and the head's start. The same fraction and seed are the
            same subset for all weights.
        value (float): In the unit of the metric; NaN if the run gave none,
            so that the checkpoint is still in the report.
        rate (float, optional): Learning rate that was chosen on a part of
            the training images; None where nothing was chosen.
    """

    weights: str
    control: str
    mode: str
    fraction: float
    seed: int
    value: float
    rate: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no verdict can be made of.

        Raises:
            ValueError: A word is none of the known, or the fraction is not
                in (0, 1].
        """
        if self.control not in ('', RANDOM, SUPERVISED):
            raise ValueError(f'{self.control!r} is no kind of control')
        if self.mode not in (FROZEN, FINE_TUNED):
            raise ValueError(f'{self.mode!r} is no mode')
        if not 0 < self.fraction <= 1:
            raise ValueError(f'fraction {self.fraction} is not in (0, 1]')

    @property
    def cell(self) -> Cell:
        """What is compared with each other: mode and fraction."""
        return self.mode, self.fraction


@dataclass(frozen=True)
class Study:
    """All that was run for one judgement; the report shows it.

    Attributes:
        data (str): Name of the data, ``custom:NAME``.
        task (str): Id of the task whose protocol was followed.
        metric (str): Name of the number, as in tables (``top1``).
        unit (str): What a difference is counted in: ``points of top1``.
        higher_is_better (bool): Of the metric.
        scores (tuple[Score, ...]): One of each run, failed ones too. All
            checkpoints and controls have one architecture.
        failed (tuple[str, ...]): One line for each run that gave no score.
        seconds (float): Wall time of all runs together.
        settings (Mapping[str, object]): What else is to be known to repeat
            it, by name; values as JSON has them. ``notes`` are sentences
            for the report.
        places (int): Decimals of the metric in texts.
    """

    data: str
    task: str
    metric: str
    unit: str
    higher_is_better: bool
    scores: tuple[Score, ...]
    failed: tuple[str, ...] = ()
    seconds: float = 0.0
    settings: Mapping[str, object] = field(default_factory=dict)
    places: int = 1
