"""What the readers of ViT-like networks share."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.timm_families.base import Facts, State
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.checkpoints.verify import grouped
from ssl_bench.errors import UserError, one_line, printable

Shape = tuple[int, ...]
# of a plain ViT, outside its blocks and inside
PARTS = 'cls_token|pos_embed|patch_embed.proj|norm'
BLOCK = 'norm[12]|attn.qkv|attn.proj|mlp.fc[12]'
BY_NAME = "If it is one of timm's networks, give timm's name with --arch"
PATCHES = 'patch_embed.proj.weight'
QKV = 'blocks.0.attn.qkv.weight'


def has_patches(state: Mapping[str, Tensor]) -> bool:
    """Whether images, and not videos, are cut into patches by one layer."""
    patches = state.get(PATCHES)
    return patches is not None and patches.ndim == 4 and patches.numel() > 0


def some(state: Mapping[str, Tensor], ending: str) -> bool:
    """Whether some name ends so."""
    return any(name.endswith(ending) for name in state)


def width_and_patch(state: Mapping[str, Tensor]) -> tuple[int, int]:
    """Channels of a token, and the side of a patch in pixels."""
    shape = state[PATCHES].shape
    return shape[0], shape[-1]


def depth_of(state: Mapping[str, Tensor], start: str = 'blocks') -> int:
    """1 + the largest index of a block, not more than there are tensors."""
    found = (re.match(rf'{start}\.(\d{{1,6}})\.', name) for name in state)
    most = max((int(match[1]) + 1 for match in found if match), default=0)
    return min(most, len(state))


def rows(state: Mapping[str, Tensor], ending: str, axis: int = 0) -> int:
    """One side of the first tensor whose name ends so; 0 without one."""
    for name, tensor in state.items():
        if name.endswith(ending) and tensor.ndim > axis:
            return tensor.shape[axis]
    return 0


def table_side(state: State, prefix_tokens: int, facts: Facts) -> int:
    """Patches on a side of the position table, (1, prefix + S * S, D).

    Raises:
        UserError: There is no table, or its patches form no square.
    """
    table = state.get('pos_embed')
    if table is None:
        raise missing(facts, ['pos_embed'], 'its positions are lost')
    patches = (table.shape[1] if table.ndim == 3 else 0) - prefix_tokens
    side: int = round(max(patches, 0) ** 0.5)
    if side < 1 or side * side != patches:
        raise UserError(
            f'{facts.path}: pos_embed has the shape {list(table.shape)}, '
            f'which is no table of a square of patches and {prefix_tokens} '
            'class tokens'
            + ('' if 'cls_token' in state else ' (there is no cls_token)')
        )
    return side


def ratio_of(hidden: int, width: int) -> float:
    """What timm multiplies the width by to get ``hidden`` channels."""
    ratio = hidden / width
    return ratio if int(width * ratio) == hidden else (hidden + 0.5) / width


def other_than(
    default: Mapping[str, Any], wanted: Mapping[str, Any]
) -> dict[str, Any]:
    """The options that differ from what timm's name implies."""
    return {
        key: value
        for key, value in wanted.items()
        if key not in default or default[key] != value
    }


def filtered(net: TimmNet, state: State, module: str, facts: Facts) -> State:
    """The tensors after timm's own checkpoint filter, on a copy.

    Args:
        net (TimmNet): What they are for; built without values.
        state (dict[str, Tensor]): With the names that the filter looks for.
        module (str): timm's module, for instance ``eva``.
        facts (Facts): For messages.

    Raises:
        UserError: The filter cannot read them.
    """
    import importlib

    models = importlib.import_module(f'timm.models.{module}')
    convert: Callable[..., State] = models.checkpoint_filter_fn
    built = net.build('meta')
    check_not_resized(state, built, facts)
    try:
        return dict(convert(dict(state), built))
    except (
        RuntimeError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
    ) as error:
        raise UserError(
            f'{facts.path} is no whole {net.name}, timm cannot read its '
            f'names: {one_line(printable(error))}'
        ) from error


def check_not_resized(state: State, built: Any, facts: Facts) -> None:
    """Refuse what timm's filters would resize without a word.

    They bring the kernel of the patches, and the tables of relative
    positions, to the network's shape, whatever shape the file has.

    Args:
        state (dict[str, Tensor]): In the names of the authors' program.
        built (nn.Module): The network that the filter looks at.
        facts (Facts): For the message.

    Raises:
        UserError: A tensor has another shape than the network's.
    """
    for name, tensor in built.state_dict().items():
        if name != PATCHES and not name.endswith(
            'relative_position_bias_table'
        ):
            continue
        found = state.get(name)
        # some networks cut patches by a linear layer, their filters know it
        if found is not None and (
            found.ndim == tensor.ndim and found.shape != tensor.shape
        ):
            raise UserError(
                f'{facts.path}: {name} has the shape {list(found.shape)}, '
                f'expected {list(tensor.shape)}: resized, it would be '
                'another network'
            )


def check_names(
    state: State, facts: Facts, what: str, parts: str, block: str
) -> None:
    """Refuse what a family's network has no place for, in the file's names.

    Args:
        state (dict[str, Tensor]): The network without its heads.
        facts (Facts): For the message.
        what (str): The network, for the message.
        parts, block (str): Patterns of the names outside and inside blocks;
            both end before ``.weight`` and ``.bias``.

    Raises:
        UserError: There are such names; it lists them.
    """
    known = re.compile(
        rf'(?:{parts}|blocks\.\d+\.(?:{block}))(?:\.weight|\.bias)?\Z'
    )
    strange = [name for name in state if not known.match(name)]
    if strange:
        raise UserError(
            f'{facts.path} has the names of {what} and others, which are not '
            f'understood: {grouped(strange)}. It computes something else, '
            f'and leaving them aside would not help. {BY_NAME}'
        )


def missing(facts: Facts, names: list[str], why: str) -> UserError:
    """The error for tensors that must be there."""
    return UserError(
        f'{facts.path} lacks {", ".join(names[:6])}'
        + (f' and {len(names) - 6} more' if len(names) > 6 else '')
        + f': {why}, and the network computes something else without them'
    )


def unknown_size(facts: Facts, what: str, width: int) -> UserError:
    """The error for a width that no program of this kind uses."""
    return UserError(
        f'{facts.path} holds {what} of width {width}, which its authors do '
        'not use: no tensor says how many attention heads it has. ' + BY_NAME
    )


def args_of(facts: Facts) -> Mapping[str, Any]:
    """The program's arguments in the file, or nothing."""
    args = facts.container.get('args')
    if isinstance(args, Mapping):
        return args
    found = getattr(args, '__dict__', None)
    return found if isinstance(found, dict) else {}
