"""A backbone to what other programs read."""
from pathlib import Path
from typing import Union

from ssl_bench.checkpoints.backbone import Backbone, write_backbone
from ssl_bench.errors import unknown_name


def export(path: Union[str, Path], backbone: Backbone, target: str) -> None:
    """Write a backbone for another program.

    Args:
        path (str | Path): The file.
        backbone (Backbone): What to write.
        target (str): ``backbone``.

    Raises:
        UserError: Unknown target, or the file cannot be written.
    """
    if target != 'backbone':
        raise unknown_name('target', target, ('backbone',))
    write_backbone(path, backbone)
