"""What a user may write for an architecture."""

import re

from ssl_bench.checkpoints.architectures import RESNETS, VITS, Architecture
from ssl_bench.checkpoints.timm_default import is_timm_name
from ssl_bench.errors import unknown_name


def canonical_arch(name: str) -> str:
    """The full name of what a user may shorten: r50, vitb16, resnet50.

    Raises:
        UserError: The name fits no architecture.
    """
    known = [f'resnet{depth}' for depth in RESNETS]
    known += [
        f'{kind}_{size}_patch{patch}'
        for kind in ('vit', 'beit')
        for size in VITS
        for patch in (14, 16, 32, 8)
    ]
    short = {f'r{depth}': f'resnet{depth}' for depth in RESNETS}
    short.update(
        {
            full.replace('_patch', '').replace(f'_{size}', size[0]): full
            for full in known
            if 'patch' in full
            for size in (full.split('_')[1],)
        }
    )
    full = short.get(name.lower(), name.lower())
    custom = re.fullmatch(
        r'(wide_)?resne(x)?t\d+(_[\dx.d]+)?(-\w+)*|'
        r'(vit|beit)_\w+_patch\d+(_\d+)?',
        full,
    )
    if full not in known and not custom:
        if is_timm_name(full):
            return full
        raise unknown_name('architecture', name, [*known, *short])
    return _without_size(full)


def same_arch(name: str, architecture: Architecture) -> bool:
    """Whether a user's name is that of an architecture.

    The image size at the end of a name is not compared: a position table
    of another size is of the same network.
    """
    # a name of timm alone keeps its size until here
    return _without_size(canonical_arch(name)) == _without_size(
        architecture.key
    )


def _without_size(name: str) -> str:
    return re.sub(r'(_patch\d+)_\d+$', r'\1', name)
