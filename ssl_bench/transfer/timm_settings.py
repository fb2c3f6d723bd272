"""What the tasks of every toolkit say of a network of timm."""

from typing import Any

from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
from ssl_bench.toolbox.timm_layout import Layout

# layers that get no weight decay, next to norms, biases and other vectors
NO_DECAY = (
    'pos_embed',
    'cls_token',
    'reg_token',
    'relative_position_bias_table',
)
# what a user may say of any backbone
KEPT = ('drop_path_rate', 'with_cp')


def backbone_settings(
    net: TimmNet, old: dict[str, Any], **more: Any
) -> dict[str, Any]:
    """The config of a `TimmBackbone`.

    Args:
        net (TimmNet): The network.
        old (dict): The config that it replaces, whose stochastic depth and
            recomputation it keeps.
        **more: What else a `TimmBackbone` takes.
    """
    kept = {name: old[name] for name in KEPT if old.get(name)}
    return dict(type='TimmBackbone', net=to_header(net), **kept, **more)


def note_positions(
    net: TimmNet,
    layout: Layout,
    backbone: dict[str, Any],
    grid: tuple[int, int] | None = None,
) -> list[str]:
    """Where the authors define no position table of other images' size.

    Args:
        net (TimmNet): The network.
        layout (Layout): Its maps.
        backbone (dict): Gets timm's rule.
        grid (tuple[int, int], optional): Patches of every image; None where
            images differ.

    Returns:
        list[str]: What a record should say.
    """
    if net.positions != 'fixed' or layout.table in (None, grid):
        return []
    backbone['positions'] = 'timm'
    rows, columns = layout.table or (0, 0)
    size = f'{grid[0]}x{grid[1]}' if grid else 'those of each image'
    return [
        f'the authors define positions of {rows}x{columns} patches only; '
        f"resized to {size} by timm's rule (bicubic, antialiased)"
    ]


def note_windows(layout: Layout, side: int | None = None) -> list[str]:
    """Where timm's shifted windows are not the authors'.

    Args:
        layout (Layout): Of the network.
        side (int, optional): Of every image, pixels; None where they differ.
    """
    if layout.whole == 1 or (side is not None and side % layout.whole == 0):
        return []
    return [
        f'windows are whole at multiples of {layout.whole} pixels; elsewhere '
        'timm shifts before it pads, and the authors pad before they shift'
    ]
