"""Weights by the name of their method, looked up on this disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ssl_bench.checkpoints import SUFFIX
from ssl_bench.config import parse_config
from ssl_bench.errors import UserError
from ssl_bench.results.names import is_chosen, squeeze

FILES, RUNS = 'checkpoints', 'work_dirs'
OFFICIAL = ('.pth', '.pt', '.tar', '.ckpt', '.pkl', '.safetensors')


class Found(NamedTuple):
    """A file and what its method is called."""

    path: Path
    method: str
    variant: str = ''
    epochs: int | None = None


def find_named(name: str, files: str = FILES, runs: str = RUNS) -> Found:
    """The one file of a method.

    Args:
        name (str): A method, its variant in brackets, ``@EPOCHS`` behind it:
            ``MoCo v2@800``, ``LEWEL (B (EMAN))``.
        files (str): Folder of backbone files, and of published ones whose
            names begin with the method's (``mocov2_800ep.pth.tar``).
        runs (str): Folder of pretraining runs; the last checkpoint of a
            finished one counts.

    Raises:
        UserError: None, or several.
    """
    found: dict[Path, Found] = {}
    if Path(files).is_dir():
        for path in published(Path(files), name):
            found[path] = Found(path, name.partition('@')[0])
    for item in (*backbones(Path(files)), *pretrainings(Path(runs))):
        if is_chosen(item.method, item.variant, item.epochs, [name]):
            found[item.path] = item
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise UserError(
            f'{name!r} may mean {len(found)} files: '
            + ', '.join(sorted(map(str, found))[:6])
            + '. Name one of them.'
        )
    raise UserError(
        f'no checkpoint {name}. It is not a file, and no method with this '
        f'name has a backbone file or published weights in {files}, or a '
        f'finished pretraining below {runs}. Name a file, or `random` for '
        'random initialisation.'
    )


def backbones(folder: Path) -> Iterator[Found]:
    """Backbone files, by their headers."""
    from ssl_bench.checkpoints.backbone import read_header

    for path in sorted(folder.rglob(f'*{SUFFIX}')):
        if not path.is_file():  # opening a pipe would wait for a writer
            continue
        meta = read_header(path)
        if meta.get('method'):
            yield Found(
                path,
                meta['method'],
                meta.get('variant') or '',
                meta.get('pretrain_epochs'),
            )


def pretrainings(folder: Path) -> Iterator[Found]:
    """Last checkpoints of pretraining runs that came to their end."""
    homes = {path.parent for path in folder.rglob('epoch_*.pth')}
    for home in sorted(homes):
        for path in sorted(home.glob('*.py')):
            if not path.is_file():
                continue
            config = parse_config(path.read_text('utf-8', errors='replace'))
            method = config.get('method')
            epochs = (config.get('train_cfg') or {}).get('max_epochs')
            last = home / f'epoch_{epochs}.pth'
            if isinstance(method, dict) and last.is_file():
                yield Found(
                    last,
                    str(method.get('name')),
                    method.get('variant') or '',
                    epochs,
                )


def published(folder: Path, name: str) -> list[Path]:
    """Files right below a folder that are named after a method."""
    method, _, epochs = name.partition('@')
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix in OFFICIAL
        and path.is_file()
        and not path.name.endswith(SUFFIX)
        and squeeze(path.name).startswith(squeeze(method))
        and (not epochs or epochs in path.name)
    ]
