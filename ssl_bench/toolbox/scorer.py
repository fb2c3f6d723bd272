"""Which package scores the detections of a COCO task."""

import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from ssl_bench.errors import UserError, unknown_name

FAST, SLOW = 'faster-coco-eval', 'pycocotools'
# the tests that find the same numbers were made with this version
SAME_SINCE = (1, 8)
MOST = 100  # detections of a class in an image that pycocotools' AP counts


def choose_scorer(
    scorer: str = 'auto',
    metric: str | Sequence[str] = 'bbox',
    proposal_nums: Sequence[int] = (100, 300, 1000),
    use_mp_eval: bool = False,
    **_: Any,
) -> str:
    """The fast package where it is there and has pycocotools' numbers.

    Args:
        scorer (str): ``auto``, or one of the two by its name.
        metric (str | Sequence[str]): What is scored, as in mmdet's metric.
        proposal_nums (Sequence[int]): Largest numbers of detections.
        use_mp_eval (bool): Several processes, which pycocotools alone has.
        **_: Other settings of the metric, which do not matter here.

    Returns:
        str: ``faster-coco-eval`` or ``pycocotools``.

    Raises:
        UserError: Another name, or a package that is asked for by its name
            and cannot be used.
    """
    if scorer not in ('auto', FAST, SLOW):
        raise unknown_name(
            'test_evaluator.scorer', str(scorer), ['auto', FAST, SLOW]
        )
    if scorer == SLOW:
        return SLOW
    kinds = {metric} if isinstance(metric, str) else {*metric}
    nums = [*proposal_nums]
    same = kinds <= {'bbox', 'segm'} and not use_mp_eval
    # pycocotools takes 100 for mAP whatever the limits are, the other one
    # takes the largest
    same = same and len(nums) == 3 and max(nums) == MOST
    if same and has_fast():
        return FAST
    if scorer == 'auto':
        return SLOW
    if same:
        raise UserError(
            f'test_evaluator.scorer={FAST} needs that package, version '
            f'{SAME_SINCE[0]}.{SAME_SINCE[1]} or newer: pip install -U {FAST}'
        )
    raise UserError(
        f'{FAST} scores like {SLOW} only boxes and masks, with three '
        f'proposal_nums of which {MOST} is the largest, in one process. Leave '
        'test_evaluator.scorer out, or change what differs.'
    )


def has_fast() -> bool:
    """Whether the fast package is there in a version that is the same."""
    try:
        found = re.findall(r'\d+', metadata.version(FAST))
    except metadata.PackageNotFoundError:
        return False
    return tuple(map(int, found[:2])) >= SAME_SINCE


def scorer_of(evaluator: Any) -> str | None:
    """What scores with a config's ``test_evaluator``, with its version.

    Args:
        evaluator (dict): With its ``type``.

    Returns:
        str, optional: None if it is not the metric of the COCO tasks.
    """
    if not isinstance(evaluator, Mapping):
        return None
    if str(evaluator.get('type')).rpartition('.')[2] != 'ExactCocoMetric':
        return None
    name = choose_scorer(
        **{key: value for key, value in evaluator.items() if key != 'type'}
    )
    return f'{name} {metadata.version(name)}'
