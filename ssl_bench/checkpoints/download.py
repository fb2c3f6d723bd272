"""Checkpoints by address, kept in a folder under names of their own."""

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlparse

from ssl_bench.checkpoints.containers import kind_of
from ssl_bench.errors import UserError, one_line, printable
from ssl_bench.files import sha256

# torch's rule: the name of a file may end with the start of its SHA-256
_HASH = re.compile(r'-([a-f0-9]{8,})\.\w+\Z')


def cached_name(url: str) -> str:
    """The name of an address' file: two addresses never share one.

    It begins with the last part of the address, which is often the same
    (``model.pth``), and ends with a hash of the whole.
    """
    name = Path(urlparse(url).path).name or 'checkpoint'
    name = re.sub(r'[^A-Za-z0-9._-]', '_', name)[-80:]
    digest = hashlib.sha256(url.encode(errors='replace')).hexdigest()
    stem, dot, ending = name.partition('.')
    return f'{stem}.{digest[:16]}{dot}{ending}'


def download(url: str, folder: Path, progress: bool = True) -> Path:
    """Fetch a checkpoint once; whole, or nothing is kept.

    Args:
        url (str): http or https.
        folder (Path): Where it is kept. A file that torch.hub left there is
            taken if its name holds its hash.
        progress (bool): Show a bar.

    Raises:
        UserError: It cannot be downloaded, or what comes is not a
            checkpoint, for instance a web page.
    """
    import torch

    name = Path(urlparse(url).path).name
    mark = _HASH.search(name)
    old = folder / name
    if mark and old.is_file() and sha256(old).startswith(mark[1]):
        return old
    path = folder / cached_name(url)
    if path.is_file():
        return path
    part = folder / f'.{path.name}.{os.getpid()}.part'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            url, str(part), mark and mark[1], progress
        )
        kind_of(part)
        os.replace(part, path)
    except UserError as error:
        reason = str(error).replace(str(part), 'what was downloaded')
        raise UserError(
            f'{printable(url)} does not give a checkpoint: {reason}'
        ) from None
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f'{printable(url)} cannot be downloaded: '
            f'{one_line(printable(error))}. Download it by other means and '
            'name the file.'
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return path
