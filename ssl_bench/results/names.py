"""One spelling for names that papers and people write in many ways."""

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from ssl_bench.errors import shown

# Other spellings, after lower case and without punctuation.
METHOD_ALIASES = {
    'random': 'randominit',
    'scratch': 'randominit',
    'randominitialisation': 'randominit',
    'randominitialization': 'randominit',
    'instanceloc': 'insloc',
    'siameseimagemodeling': 'siameseim',
}
DATA_ALIASES = {
    'imagenet': 'in1k',
    'imagenet1k': 'in1k',
    'ilsvrc2012': 'in1k',
    '': 'none',
    'random': 'none',
    'imagenetlabels': 'in1klabels',
    'imagenet1klabels': 'in1klabels',
    'imagenet21k': 'in22k',
    'imagenet22k': 'in22k',
    'in21k': 'in22k',
}
# Words of a variant that say nothing about the recipe.
IDLE_WORDS = {
    'model',
    'released',
    'checkpoint',
    'official',
    'mean',
    'of',
    '5',
    'runs',
    'r50',
    'resnet50',
    'resnet',
    '50',
    'vit',
    'vitb',
    'b16',
    'base',
    'patch16',
    # DINOv2's released models of these sizes are distilled
    'distilled',
    # as CAPI's tasks do; their papers also print raw ones
    'standardised',
    'features',
}
# Letters of the sizes; papers write g and G for one size.
SIZES = {
    'tiny': 't',
    'small': 's',
    'base': 'b',
    'large': 'l',
    'huge': 'h',
    'giant': 'g',
}
_SIZE = '|'.join(SIZES) + '|[tsblhg]'
VIT = re.compile(
    rf'vit(?P<size>{_SIZE}|\d+b)(?P<plus>plus|\+)?(patch)?'
    r'(?P<patch>8|14|16|32)(?P<rest>.*)'
)
CONVNEXT = re.compile(r'convnext(?P<size>tiny|small|base|large)')
# Base channels of a width say something from 8 on: w2 of others is a factor.
RESNET = re.compile(
    r'resnet(?P<depth>\d{2,3})(w(?P<width>[89]|\d{2,}))?'
    r'(stem(?P<stem>\d+))?(k(?P<kernel>\d+))?'
)
USUAL_IMAGE = '224'  # pixels; part of timm's names
WORD = re.compile(r'[^\W_]+|[+*]')
REGISTERS = re.compile(r'(.*\S)\s*(\+|\bwith\b)\s*reg(isters)?', re.IGNORECASE)


def squeeze(text: str | None) -> str:
    """Lower case; letters of any script, digits, and the marks ``+ *``.

    A mark after a name makes it another one: ``MoCo v2+``, ``SoCo*``.
    """
    return re.sub(r'[^\w+*]+|_+', '', (text or '').casefold())


@functools.lru_cache(maxsize=4096)
def method_key(method: str) -> str:
    """``MoCo v2`` and ``mocov2`` are one method."""
    key = squeeze(method)
    return METHOD_ALIASES.get(key, key)


def _backbone_letters(backbone: str) -> str:
    """Letters and digits of a name; the forms of ResNets are one."""
    key = re.sub(r'^r(?=\d)', 'resnet', squeeze(backbone))
    if key.startswith('resnet'):
        key = re.sub(r'width(?=\d)', 'w', key)
        key = re.sub(r'kernel(?=\d)', 'k', key)
    return key


@functools.lru_cache(maxsize=4096)
def backbone_key(backbone: str) -> str:
    """``ResNet-50``, ``resnet50`` and ``R50`` are one architecture.

    So are ``ViT-L/14`` and timm's ``vit_large_patch14_dinov2``; with
    registers (``reg4``) it is another one.
    """
    key = _backbone_letters(backbone)
    vit = VIT.fullmatch(key)
    if vit:
        registers = 'reg' if 'reg' in vit['rest'] else ''
        return f'vit{_vit_size(vit)}{vit["patch"]}{registers}'
    convnext = CONVNEXT.fullmatch(key)
    return f'convnext{SIZES[convnext["size"]]}' if convnext else key


def _vit_size(vit: re.Match[str]) -> str:
    """``b``, ``h+``, ``7b``."""
    return SIZES.get(vit['size'], vit['size']) + ('+' if vit['plus'] else '')


@functools.lru_cache(maxsize=4096)
def backbone_spelling(backbone: str) -> str:
    """The same text for two names of one network, and for no others.

    `backbone_key` says which networks are compared with each other; a ViT
    for another image size is another network of the same key.
    """
    key = _backbone_letters(backbone)
    vit = VIT.fullmatch(key)
    if vit is None:
        return backbone_key(backbone) or backbone
    rest = '' if vit['rest'] == USUAL_IMAGE else vit['rest']
    return f'vit{_vit_size(vit)}{vit["patch"]}{rest}'


@functools.lru_cache(maxsize=4096)
def backbone_name(backbone: str) -> str:
    """How tables and pages write a backbone, however a record writes it.

    ``ResNet-50`` for ``resnet50`` and ``R50``, ``ResNet-18 (width 16)`` for
    ``resnet18-w16``, ``ViT-B/16`` for ``vit_base_patch16``, ``ViT-L/14
    (reg4 dinov2)`` for timm's ``vit_large_patch14_reg4_dinov2``. A name of
    another form stays as it is. `backbone_key` reads what it writes.
    """
    key = _backbone_letters(backbone)
    resnet = RESNET.fullmatch(key)
    if resnet:
        kinds = ('width', 'stem', 'kernel')
        more = [f'{kind} {resnet[kind]}' for kind in kinds if resnet[kind]]
        return f'ResNet-{resnet["depth"]}' + _remark(', '.join(more))
    vit = VIT.fullmatch(key)
    if vit:
        size = _vit_size(vit)
        # papers write g and G for one size, and most of them g
        size = size if size == 'g' else size.upper()
        words = _rest_of_vit(backbone)
        rest = '' if words == USUAL_IMAGE else words
        return f'ViT-{size}/{vit["patch"]}' + _remark(rest)
    convnext = CONVNEXT.fullmatch(key)
    if convnext is None:
        convnext = re.fullmatch(r'convnext(?P<size>[tsbl])', key)
    if convnext:
        size = SIZES.get(convnext['size'], convnext['size'])
        return f'ConvNeXt-{size.upper()}'
    return backbone


def _remark(text: str) -> str:
    return f' ({text})' if text else ''


def _rest_of_vit(backbone: str) -> str:
    """The words after the size of the patch: ``reg4 dinov2``."""
    rest = re.sub(
        rf'.*?({_SIZE}|\d+b)[\W_]*(plus|\+)?[\W_]*(patch)?[\W_]*'
        r'(8|14|16|32)(?!\d)',
        '',
        backbone.casefold(),
        count=1,
    )
    return ' '.join(WORD.findall(rest))


@functools.lru_cache(maxsize=4096)
def network_key(method: str, backbone: str) -> tuple[str, str]:
    """Method and backbone; papers name registers after the method.

    ``DINOv2+reg`` with a ``ViT-L/14`` is ``DINOv2`` with that backbone and
    registers.
    """
    registers = REGISTERS.fullmatch(method.strip())
    if registers is None:
        return method_key(method), backbone_key(backbone)
    return method_key(registers[1]), backbone_key(f'{backbone}_reg')


@functools.lru_cache(maxsize=4096)
def data_key(data: str | None) -> str:
    """``IN1K`` and ``imagenet`` are one pretraining set."""
    key = squeeze(data)
    return DATA_ALIASES.get(key, key)


@functools.lru_cache(maxsize=4096)
def variant_key(variant: str, task: str, data: str = '') -> frozenset[str]:
    """Words of a variant that matter for a task.

    Backbone names, epochs, words of the pretraining data, and words of the
    task id are left out: on a C4 task, InsLoc's ``C4 model`` is the model of
    that task.
    """
    words = WORD.findall(variant.casefold())
    return frozenset(
        word
        for word in words
        if word not in IDLE_WORDS
        and word not in task.split('_')
        and word not in WORD.findall(data.casefold())
        and not re.fullmatch(r'\d+e(p|pochs?)?', word)
    )


def split_label(method: str, variant: str = '') -> tuple[str, str]:
    """The reverse of `label`: ``Supervised (MSRA)`` has a variant.

    Returns:
        tuple[str, str]: Method, and all words of the variant.
    """
    found = re.fullmatch(r'(.+?)\s*\((.+)\)', method.strip())
    if found is None:
        return method, variant
    return found[1], f'{found[2]} {variant}'.strip()


def is_random(method: str) -> bool:
    """Whether a method is the random-initialisation control."""
    return method_key(method) == 'randominit'


def is_supervised(method: str) -> bool:
    """Whether a method is the supervised control."""
    return method_key(method).startswith('supervised')


def label(method: str, variant: str = '') -> str:
    """Name of a method in tables: printable, a very long one cut."""
    return shown(f'{method} ({variant})' if variant else method, 200)


class Wanted(NamedTuple):
    """A method as users name it: ``METHOD (VARIANT)@EPOCHS [BACKBONE]``.

    What is left out fits any: ``MoCo v2@800``, ``Random init [resnet18]``.
    """

    text: str
    name: str
    epochs: str
    backbone: str

    @classmethod
    @functools.lru_cache(maxsize=4096)
    def parse(cls, text: str) -> 'Wanted':
        """Split a name into its parts."""
        rest, backbone = text, ''
        bracketed = re.fullmatch(r'(.*?)\s*\[([^][]*)\]\s*', text)
        if bracketed:
            rest, backbone = bracketed.groups()
        name, _, epochs = rest.partition('@')
        return cls(text, name.strip(), epochs.strip(), backbone.strip())

    def fits(
        self,
        method: str,
        variant: str,
        epochs: float | None,
        backbone: str | None = None,
    ) -> bool:
        """Whether it means this method; a backbone of None fits any."""
        own = {method_key(method), squeeze(label(method, variant))}
        return (
            bool({method_key(self.name), squeeze(self.name)} & own)
            and (
                not self.epochs
                or (epochs is not None and self.epochs == f'{epochs:g}')
            )
            and (
                not self.backbone
                or backbone is None
                or backbone_key(self.backbone) == backbone_key(backbone)
            )
        )


def is_chosen(
    method: str,
    variant: str,
    epochs: float | None,
    names: Sequence[str],
    backbone: str | None = None,
) -> bool:
    """Whether a method is among ``names``, as `Wanted` reads them."""
    return any(
        Wanted.parse(name).fits(method, variant, epochs, backbone)
        for name in names
    )
