"""Where the entries of torch.hub keep their weights.

torch.hub runs a repository's ``hubconf.py``; this project runs nothing
foreign. These are the addresses that the entries download, as the
repositories' ``hubconf.py`` and ``hub/backbones.py`` state them (dino
7c446df, dinov2 b8931f7, dinov3 6876159).
"""

from typing import NamedTuple


class Entries(NamedTuple):
    """The entries of one repository.

    Args:
        method (str): What its weights were pretrained with.
        base (str): The beginning of each address.
        files (dict): Entry to the rest of its address.
    """

    method: str
    base: str
    files: dict[str, str]


def _dino() -> dict[str, str]:
    places = dict(
        dino_vits16='dino_deitsmall16_pretrain',
        dino_vits8='dino_deitsmall8_pretrain',
        dino_vitb16='dino_vitbase16_pretrain',
        dino_vitb8='dino_vitbase8_pretrain',
        dino_xcit_small_12_p16='dino_xcit_small_12_p16_pretrain',
        dino_xcit_small_12_p8='dino_xcit_small_12_p8_pretrain',
        dino_xcit_medium_24_p16='dino_xcit_medium_24_p16_pretrain',
        dino_xcit_medium_24_p8='dino_xcit_medium_24_p8_pretrain',
        dino_resnet50='dino_resnet50_pretrain',
    )
    return {entry: f'{name}/{name}.pth' for entry, name in places.items()}


def _dinov2() -> dict[str, str]:
    found = {}
    for size in ('vits14', 'vitb14', 'vitl14', 'vitg14'):
        name = f'dinov2_{size}'
        found[name] = f'{name}/{name}_pretrain.pth'
        found[f'{name}_reg'] = f'{name}/{name}_reg4_pretrain.pth'
    return found


def _dinov3() -> dict[str, str]:
    hashes = dict(
        vits16='08c60483',
        vits16plus='4057cbaa',
        vitb16='73cec8be',
        vitl16='8aa4cbdd',
        vith16plus='7c1da9a5',
        vit7b16='a955f4ea',
        convnext_tiny='21b726bb',
        convnext_small='296db49d',
        convnext_base='801f2ba9',
        convnext_large='61fa432d',
    )
    found = {}
    for size, mark in hashes.items():
        name = f'dinov3_{size}'
        found[name] = f'{name}/{name}_pretrain_lvd1689m-{mark}.pth'
    return found


_META = 'https://dl.fbaipublicfiles.com'
ENTRIES = {
    'facebookresearch/dino': Entries('DINO', f'{_META}/dino/', _dino()),
    'facebookresearch/dinov2': Entries(
        'DINOv2', f'{_META}/dinov2/', _dinov2()
    ),
    'facebookresearch/dinov3': Entries(
        'DINOv3', f'{_META}/dinov3/', _dinov3()
    ),
}
