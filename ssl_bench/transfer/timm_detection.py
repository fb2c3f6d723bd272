"""A detector's config around one of timm's networks."""

from mmengine.config import Config

from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.toolbox.timm_layout import Layout
from ssl_bench.transfer.wrong_backbone import WrongBackbone


def set_timm_detection(
    config: Config, net: TimmNet, layout: Layout
) -> list[str]:
    """Put a network under a detector's neck and heads.

    Args:
        config (Config): Of a detector; changed in place. Its preprocessor
            has the network's mean and std already.
        net (TimmNet): The network.
        layout (Layout): Its maps.

    Returns:
        list[str]: What a record should say.

    Raises:
        WrongBackbone: The task takes no such network.
    """
    raise WrongBackbone(f'this detector takes no {net.model} yet.')
