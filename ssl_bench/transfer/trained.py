"""What is trained of a backbone: all of it, its end, low-rank terms, nothing.

Heads, necks and what else follows a backbone are always trained.
"""

import re
from typing import Any, NamedTuple

from mmengine.config import Config

from ssl_bench.checkpoints.architectures import VITS
from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.errors import UserError, one_line
from ssl_bench.results.record import FULL
from ssl_bench.tasks.table import find_task
from ssl_bench.toolbox.timm_layout import layout_of
from ssl_bench.transfer.blocks import block_count, projections, timm_places

FROZEN, LAST, LORA = 'frozen', 'last', 'lora'
CHOICES = 'full, last:K, lora:RANK or frozen'
KEY = 'what_is_trained'  # in a plan's config
STAGES = 4  # of a residual network; of a C4 detector the last is in its head
RESNET = re.compile(r'(^|\.)(SE)?Res(N|2N)\w+$')


class Kind(NamedTuple):
    """What is trained: `FULL`, `FROZEN`, `LAST` or `LORA`, and its number."""

    name: str = FULL
    number: int = 0

    def __str__(self) -> str:
        return f'{self.name}:{self.number}' if self.number else self.name

    @property
    def full(self) -> bool:
        """Whether the task's own protocol decides, as without the option."""
        return self.name == FULL


def read_kind(text: str) -> Kind:
    """A kind from ``--train``.

    Raises:
        UserError: Not one of `CHOICES`, or a number below 1.
    """
    if text in (FULL, FROZEN):
        return Kind(text)
    name, _, number = text.partition(':')
    if name not in (LAST, LORA) or not re.fullmatch(r'[+-]?\d{1,9}', number):
        raise UserError(f'--train {one_line(repr(text))}: write {CHOICES}.')
    if int(number) < 1:
        raise UserError(
            f'--train {text}: '
            + (
                'without a block nothing of the backbone is trained; write '
                'frozen, or last:1.'
                if name == LAST
                else 'a rank is 1 or more; write lora:1, or frozen.'
            )
        )
    return Kind(name, int(number))


def kind_of(config: Config) -> Kind:
    """The kind that `set_kind` has put into a plan's config."""
    return read_kind(config.get(KEY, FULL))


def set_kind(config: Config, task: str, text: str) -> None:
    """Make a kind part of a task's settings; the full one leaves no trace.

    Args:
        config (Config): Of the task, with its recipe; changed in place.
        task (str): Its id.
        text (str): As `read_kind` reads it.

    Raises:
        UserError: Not a kind, or the task trains no backbone.
    """
    if KEY in config:
        raise UserError(
            f'{KEY} is no setting of a config: write --train {CHOICES}.'
        )
    kind = read_kind(text)
    if kind.full:
        return
    row = find_task(task)
    if row.toolbox == 'probe':
        raise UserError(
            f'--train {kind}: {task} tests features of a frozen backbone, '
            'and nothing of it can be trained. Leave --train out.'
        )
    if _is_frozen(config.model.backbone):
        raise UserError(
            f'--train {kind}: {task} trains a head on a frozen backbone, by '
            'its own protocol. Leave --train out, or choose a task that '
            'trains the backbone (ssl-bench tasks lists them).'
        )
    config[KEY] = str(kind)


def check_kind(config: Config, arch: str = '') -> None:
    """Check that a kind is defined for the backbone of a fitted config.

    Args:
        config (Config): Of a task.
        arch (str): Name of the network, for people; its class or timm's name
            if empty.

    Raises:
        UserError: More blocks than there are, or no attention to put
            low-rank terms into; with the nearest choice that works.
    """
    kind, net = kind_of(config), config.get('model', config)['backbone']
    if kind.name not in (LAST, LORA):
        return
    found = _known_blocks(net)
    if found is None:  # a class that we do not know: asked when it is built
        return
    name, blocks, attention = found
    what = 'stages' if RESNET.search(name) else 'blocks or stages'
    name = arch or name
    if kind.name == LAST:
        check_last(kind, name, blocks, what)
    elif not attention:
        raise no_attention(kind, name)
    elif kind.number > attention:
        raise UserError(
            f'--train {kind}: the projections of {name} have {attention} '
            f'channels, and a rank is not larger. Write lora:{attention} or '
            'less, or full.'
        )


def check_last(
    kind: Kind, name: str, blocks: int, what: str = 'blocks or stages'
) -> None:
    """Check that a network has as many blocks as are to be trained.

    Args:
        kind (Kind): `LAST`.
        name (str): Of the network, for people.
        blocks (int): It has; 0 where that is not known.
        what (str): What its blocks are.

    Raises:
        UserError: It has fewer.
    """
    if not blocks:
        raise UserError(
            f'--train {kind}: where the blocks of {name} begin and end is '
            'not known. Write full or frozen.'
        )
    if kind.number > blocks:
        raise UserError(
            f'--train {kind}: {name} has {blocks} {what}. Write '
            f'last:{blocks}, or full, which trains its stem too.'
        )


def no_attention(kind: Kind, name: str) -> UserError:
    """What to say of a network that has no place for low-rank terms."""
    return UserError(
        f'--train {kind}: low-rank terms are added to the projections of '
        f'attention, and {name} has none. Write last:1, full or frozen.'
    )


def _is_frozen(net: dict[str, Any]) -> bool:
    """Whether the protocol of a task trains nothing of its backbone."""
    found = _known_blocks(net) if 'frozen_stages' in net else None
    return bool(net.get('frozen')) or (
        found is not None and 0 < found[1] <= net['frozen_stages']
    )


def _known_blocks(net: dict[str, Any]) -> tuple[str, int, int] | None:
    """Of a backbone's config: name, blocks, and width of its attention.

    Returns:
        tuple: Blocks are 0 where they are not known, the width is 0 without
        attention. None for a class that we do not know.
    """
    kind = net['type']
    if RESNET.search(kind):
        return kind, STAGES, 0
    if kind == 'MAE':
        return kind, net['num_layers'], net['embed_dims']
    if kind in ('VisionTransformer', 'ViTDet'):
        size = net.get('arch', 'base')
        if isinstance(size, str):
            known = VITS.get(size)
            return None if known is None else (kind, known[1], known[0])
        return kind, size['num_layers'], size['embed_dims']
    if kind == 'TimmBackbone':
        return _known_of_timm(net)
    return None


def _known_of_timm(net: dict[str, Any]) -> tuple[str, int, int]:
    """The same of a `TimmBackbone`, of the blocks that its output needs."""
    arch = from_header(net['net'])
    built, layout = arch.build('meta'), layout_of(arch)
    output = net.get('output', 'maps')
    last = max(net.get('out_indices') or [layout.depth - 1])
    unused = [] if output == 'class_token' else ['cls_attn_blocks']
    if output == 'maps':
        unused += layout.modules[last + 1 :]
    prefixes = tuple(f'{name}.' for name in unused)
    blocks = {
        name: place
        for name, place in timm_places(built).items()
        if not name.startswith(prefixes)
    }
    widths = [
        min(module.in_features, module.out_features)
        for name, module in projections(built).items()
        if not name.startswith(prefixes)
    ]
    return arch.model, block_count(blocks), min(widths, default=0)
