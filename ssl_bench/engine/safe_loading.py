"""mmengine's loaders of checkpoints, replaced by this project's reader.

Theirs unpickle, which runs code: for local files when the safe way fails, for
addresses always.
"""

from pathlib import Path
from typing import Any

import mmengine.runner.checkpoint
import torch
from mmengine.runner import CheckpointLoader

from ssl_bench.checkpoints.download import download
from ssl_bench.checkpoints.reading import read_training

if (
    not {'_safe_torch_load', 'load_url'}
    <= vars(mmengine.runner.checkpoint).keys()
):
    raise ImportError(
        'this version of mmengine loads checkpoints in another way, so '
        'ssl_bench could not refuse code in them.'
    )


def read_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
) -> Any:
    """Download a checkpoint, once, and read it as every other file.

    Args:
        url (str): http or https.
        model_dir (str, optional): Where it is kept; torch.hub's folder when
            None.
        map_location: As `torch.load`.
        progress (bool): Show a bar.

    Raises:
        UserError: It cannot be downloaded, or the reader refuses the file.
    """
    folder = Path(model_dir or Path(torch.hub.get_dir()) / 'checkpoints')
    return read_training(download(url, folder, progress), map_location)


def load_from_local(path: str, map_location: Any = None) -> Any:
    """`read_training`; mmengine tells users what follows ``load_from_``."""
    return read_training(path, map_location)


# for every file, also those that an `init_cfg` names; torchvision:// and the
# like end there, too
mmengine.runner.checkpoint._safe_torch_load = read_training
mmengine.runner.checkpoint.load_url = read_url
CheckpointLoader.register_scheme('', load_from_local, force=True)
