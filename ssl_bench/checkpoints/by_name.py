"""Published weights by name, through the caches of the libraries.

``timm:NAME``, ``hf:OWNER/REPO[@REVISION]`` and ``torchhub:REPO:ENTRY``. Only
files of weights and of JSON are fetched; no code of a repository is, so an
entry of torch.hub is looked up in a table (`published.py`). What the caches
hold is taken without asking the network.
"""

import difflib
import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import getproxies

from ssl_bench.checkpoints import hf_folders
from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.checkpoints.download import download
from ssl_bench.checkpoints.published import ENTRIES
from ssl_bench.errors import UserError, one_line, printable, unknown_name

KINDS = ('timm', 'hf', 'torchhub')
EXTRA = (hf_folders.CONFIG, hf_folders.PREPROCESSOR)


@dataclass(frozen=True)
class Named:
    """Where published weights are on this disk.

    Args:
        name (str): What the user asked for.
        path (Path): A file, or the folder of a snapshot.
        revision (str): The commit of the hub's repository, or the file's
            address.
        method (str): What the publisher says, or ''.
        config (dict): What ``config.json`` says, where it is not next to
            the file.
    """

    name: str
    path: Path
    revision: str
    method: str = ''
    config: dict[str, Any] = field(default_factory=dict)

    def describe(self, backbone: Backbone) -> None:
        """Write where the weights came from into a header."""
        meta = backbone.meta
        sources = meta.setdefault('sources', {})
        meta.update(source_name=self.name, source_revision=self.revision)
        sources['source_name'] = sources['source_revision'] = 'the name given'
        if self.method and not meta.get('method'):
            meta['method'], sources['method'] = self.method, 'the name given'


def is_public(name: str | Path) -> bool:
    """Whether a text is a published name, and not a file."""
    kind, colon, rest = str(name).partition(':')
    return bool(colon and rest) and kind in KINDS and not Path(name).exists()


def find_public(name: str) -> Named:
    """The weights that a name means, fetched if no cache has them.

    Args:
        name (str): For which `is_public` holds.

    Raises:
        UserError: There is no such name, or it cannot be fetched; it says
            where the file may be put by hand.
    """
    kind, _, rest = name.partition(':')
    if kind == 'timm':
        return _of_timm(name, rest)
    if kind == 'hf':
        repo, _, revision = rest.partition('@')
        path, commit = _hub_files(name, repo, revision or None)
        return Named(name, path, commit)
    return _of_torchhub(name, rest)


def _of_timm(name: str, model: str) -> Named:
    """timm's pretrained weights; its own table says where they are."""
    import timm

    plain, _, tag = model.partition('.')
    if not timm.is_model(plain):
        raise _no_such(name, 'timm has no network', model, timm.list_models())
    config: Any
    try:
        config = timm.get_pretrained_cfg(model, allow_unregistered=False)
    except RuntimeError:
        tags = timm.list_pretrained(f'{plain}.*')
        raise _no_such(name, 'timm has no weights', model, tags) from None
    about = dict(
        architecture=plain,
        pretrained_cfg=dict(mean=config.mean, std=config.std),
    )
    method = 'DINO' if tag == 'dino' else ''
    if config.hf_hub_id:
        repo, _, revision = config.hf_hub_id.partition('@')
        files: tuple[str, ...] = hf_folders.NAMES
        if config.hf_hub_filename:
            files = _safe_first(config.hf_hub_filename)
        path, commit = _hub_files(
            name, repo, revision or None, files, whole=False
        )
        return Named(name, path, commit, config=about, method=method)
    if config.url:
        path = _by_address(name, config.url)
        return Named(name, path, config.url, config=about, method=method)
    raise _no_such(
        name, 'timm has no weights', model, timm.list_pretrained(f'{plain}*')
    )


def _safe_first(file: str) -> tuple[str, ...]:
    """A file's name, after that of the same in safetensors."""
    stem = file.removesuffix('.bin')
    return (f'{stem}.safetensors', file) if stem != file else (file,)


def _of_torchhub(name: str, rest: str) -> Named:
    """The published file of an entry of torch.hub; no code is run."""
    repo, _, entry = rest.rpartition(':')
    repo = repo.partition(':')[0]  # a branch may follow
    if repo not in ENTRIES:
        raise UserError(
            f'{printable(name)}: torch.hub would run the code of '
            f'{printable(repo) or "a repository"}, and nothing foreign is '
            f'run here. Known are the entries of {", ".join(ENTRIES)}; for '
            'others download the file of the weights and name it.'
        )
    known = ENTRIES[repo]
    if entry not in known.files:
        raise unknown_name(f'entry of {repo}', printable(entry), known.files)
    address = known.base + known.files[entry]
    return Named(name, _by_address(name, address), address, known.method)


def _by_address(name: str, address: str) -> Path:
    """A file in torch.hub's cache, fetched by the rules of `download`."""
    import torch

    folder = Path(torch.hub.get_dir()) / 'checkpoints'
    cached = folder / Path(urlparse(address).path).name
    if cached.is_file():
        return cached
    try:
        return download(address, folder)
    except UserError as error:
        raise UserError(
            f'{printable(name)}: {error} It may also be put there: {cached}'
        ) from error


def _no_such(
    name: str, what: str, wanted: str, known: Iterable[str]
) -> UserError:
    near = difflib.get_close_matches(wanted, list(known), n=4, cutoff=0.4)
    hint = f' Did you mean {" or ".join(near)}?' if near else ''
    return UserError(f'{printable(name)}: {what} {printable(wanted)!r}.{hint}')


def _hub_files(
    name: str,
    repo: str,
    revision: str | None,
    names: Iterable[str] = hf_folders.NAMES,
    whole: bool = True,
) -> tuple[Path, str]:
    """The files of a repository's weights, and its commit.

    Args:
        name (str): What the user asked for, for messages.
        repo (str): ``OWNER/REPO``.
        revision (str, optional): A commit, a tag or a branch.
        names (Iterable[str]): Files of weights, the first that is there is
            taken.
        whole (bool): The folder is meant, with its ``config.json``;
            otherwise the one file.

    Raises:
        UserError: There is no such repository or file, or no network.
    """
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    logging.getLogger('huggingface_hub').setLevel(logging.ERROR)
    at = f'{repo}@{revision}' if revision else repo
    page = f'https://huggingface.co/{repo}'
    try:
        found = _from_cache(repo, revision, names, whole) or _from_hub(
            repo, revision, names
        )
    except GatedRepoError:
        raise UserError(
            f'{printable(name)}: {repo} is behind terms of use: accept them '
            f'at {page}, and log in with `hf auth login` or set HF_TOKEN.'
        ) from None
    except RepositoryNotFoundError:
        raise UserError(
            f'{printable(name)}: the hub has no repository {repo}, or it is '
            'private: look at the name, or log in with `hf auth login`.'
        ) from None
    except RevisionNotFoundError:
        raise UserError(
            f'{printable(name)}: {repo} has no revision {revision!r}.'
        ) from None
    except HFValidationError:
        raise UserError(
            f'{printable(name)}: the hub has no such names; expected '
            'hf:OWNER/REPO or hf:OWNER/REPO@REVISION.'
        ) from None
    except (OSError, HfHubHTTPError, EntryNotFoundError) as error:
        raise _unreachable(name, at, error) from error
    if found is None:
        raise UserError(
            f'{printable(name)}: {at} has none of {", ".join(names)}: give '
            'another repository, or a file of it.'
        )
    return (found.parent if whole else found), found.parent.name


def _unreachable(name: str, at: str, error: Exception) -> UserError:
    """No network, or the hub does not answer."""
    from huggingface_hub import constants

    repo = at.partition('@')[0]
    folder = 'models--' + repo.replace('/', '--')
    return UserError(
        f'{printable(name)}: {at} is in no cache and cannot be fetched '
        f'({one_line(printable(error), 120)}). Copy its folder {folder} from '
        f'the cache of another machine to {constants.HF_HUB_CACHE}, or its '
        'model.safetensors and config.json to a folder, and give that.'
    )


def _from_cache(
    repo: str, revision: str | None, names: Iterable[str], whole: bool
) -> Path | None:
    """The weights, where the library's cache has every file of them."""
    from huggingface_hub import try_to_load_from_cache

    def cached(file: str) -> Path | None:
        found = try_to_load_from_cache(repo, file, revision=revision)
        return Path(found) if isinstance(found, str) else None

    first = next(filter(None, map(cached, names)), None)
    if first is None or (whole and not cached(hf_folders.CONFIG)):
        return None
    if first.name.endswith('.json'):
        try:
            hf_folders.weight_files(first)
        except UserError:
            return None  # a part is missing
    return first


def _from_hub(
    repo: str, revision: str | None, names: Iterable[str]
) -> Path | None:
    """The same from the network, into the library's cache."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        LocalEntryNotFoundError,
    )

    _check_network()

    def fetched(file: str, at: str | None) -> Path | None:
        try:
            return Path(hf_hub_download(repo, file, revision=at))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            return None

    for name in names:
        first = fetched(name, revision)
        if first is None:
            continue
        commit = first.parent.name
        for extra in EXTRA:
            fetched(extra, commit)
        if first.name.endswith('.json'):
            for part in hf_folders.parts_of(first):
                fetched(part.name, commit)
        return first
    return None


def _check_network() -> None:
    """Fail at once where the hub has no address, and not after retries.

    Raises:
        OSError: The hub's name cannot be looked up, or the user said that
            there is no network.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise OSError('HF_HUB_OFFLINE is set')
    if not getproxies():
        socket.getaddrinfo(urlparse(constants.ENDPOINT).hostname, 443)
