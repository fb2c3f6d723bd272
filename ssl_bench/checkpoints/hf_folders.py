"""The files of a folder that transformers saved, in one part or several."""

import json
import re
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError, one_line, printable

# in this order; an index names the parts
NAMES = (
    'model.safetensors',
    'model.safetensors.index.json',
    'pytorch_model.bin',
    'pytorch_model.bin.index.json',
)
_INDEX = '.index.json'
CONFIG = 'config.json'
# how the images of pretraining were normalised, in a file of its own
PREPROCESSOR = 'preprocessor_config.json'
STATISTICS = ('image_mean', 'image_std')
MAX_CONFIG = 1 << 24  # bytes
MAX_INDEX = 1 << 26  # bytes; an index of a million tensors has less


def index_of(path: Path) -> Path | None:
    """What tells the weight files of a folder, an index or one part.

    Returns:
        Path | None: A file named in `NAMES`; None for any other file.

    Raises:
        UserError: One part of several, without the index.
    """
    if path.is_dir():
        found = (path / name for name in NAMES)
        return next((file for file in found if file.is_file()), None)
    if path.name.endswith(_INDEX):
        return path
    part = re.fullmatch(r'(.+)-(\d{5})-of-(\d{5})(\.\w+)', path.name)
    if part is None or int(part[3]) < 2:
        return None
    index = path.parent / f'{part[1]}{part[4]}{_INDEX}'
    if index.is_file():
        return index
    raise UserError(
        f'{path} is part {int(part[2])} of {int(part[3])}, and {index.name} '
        'is not next to it: copy all parts and the index into one folder'
    )


def weight_files(path: Path) -> dict[Path, list[str] | None]:
    """The files that hold the weights of a folder, an index or one part.

    Args:
        path (Path): What `index_of` knows.

    Returns:
        dict[Path, list | None]: For each file the tensors that it must
        hold; None where no index says.

    Raises:
        UserError: The index cannot be read, or a part is missing.
    """
    index = index_of(path)
    if index is None:
        raise UserError(f'{path} has no weights that transformers saved')
    if not index.name.endswith(_INDEX):
        return {index: None}
    files = parts_of(index)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise UserError(
            f'{index} names {len(files)} parts, and {len(missing)} of them '
            f'are missing: {", ".join(missing[:3])}. Copy or download them '
            'into the same folder'
        )
    return dict(files)


def parts_of(index: Path) -> dict[Path, list[str]]:
    """The parts that an index names, whether they are there or not.

    Returns:
        dict[Path, list]: For each file the tensors that it must hold.

    Raises:
        UserError: The index cannot be read, or names a file elsewhere.
    """
    files: dict[Path, list[str]] = {}
    for tensor, name in sorted(_weight_map(index).items()):
        # a part stands next to the index, never in another folder
        if Path(name).name != name or not printable(name) == name:
            raise UserError(
                f'{index} names the part {one_line(printable(name))!r}, '
                'which is not a file next to it'
            )
        files.setdefault(index.parent / name, []).append(tensor)
    return files


def _weight_map(index: Path) -> dict[str, str]:
    """Which file holds which tensor."""
    if index.stat().st_size > MAX_INDEX:
        raise UserError(f'{index} is too large for an index of weights')
    try:
        content: Any = json.loads(index.read_text(encoding='utf-8'))
        found = content['weight_map']
        if found and all(isinstance(name, str) for name in found.values()):
            return dict(found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        pass
    raise UserError(
        f'{index} is not an index of weights: it has no weight_map from '
        'tensors to files'
    )


def config_of(path: str | Path) -> dict[str, Any]:
    """What ``config.json`` says of a folder, an index or a file in it.

    Returns:
        dict: Empty without one, or where it is of a program that is neither
        transformers nor timm. ``image_mean`` and ``image_std`` are of
        ``preprocessor_config.json``, where that stands next to it.

    Raises:
        UserError: It cannot be read, or is not one JSON object.
    """
    path = Path(path)
    folder = path if path.is_dir() else path.parent
    config = _json_object(folder / CONFIG)
    if not (
        isinstance(config.get('model_type'), str)
        or isinstance(config.get('architecture'), str)
    ):
        return {}
    images = _json_object(folder / PREPROCESSOR)
    found = {key: images[key] for key in STATISTICS if key in images}
    return {**config, **found}


def _json_object(path: Path) -> dict[str, Any]:
    """A small JSON file's object; empty without the file."""
    if not path.is_file():
        return {}
    content: Any = None
    if path.stat().st_size <= MAX_CONFIG:
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
        except (OSError, ValueError, RecursionError):
            content = None
    if not isinstance(content, dict):
        raise UserError(
            f'{path} is not one JSON object: copy or download it again'
        )
    return content
