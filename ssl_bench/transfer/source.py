"""What is transferred: a backbone file, any checkpoint, or nothing."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.checkpoints import (
    SUFFIX,
    Backbone,
    read_backbone,
    to_backbone,
    write_backbone,
)
from ssl_bench.checkpoints.arch_names import canonical_arch
from ssl_bench.checkpoints.architectures import (
    RESNETS,
    VITS,
    Architecture,
    ResNet,
    ViT,
    architecture_of,
    describe,
)
from ssl_bench.checkpoints.by_name import is_public
from ssl_bench.checkpoints.complete import check_arch
from ssl_bench.checkpoints.containers import kind_of
from ssl_bench.checkpoints.conventions import (
    CAFFE,
    TORCHVISION,
    author_of,
    check_convention,
    convention_of_author,
)
from ssl_bench.checkpoints.convert import check_values
from ssl_bench.checkpoints.hf_folders import index_of
from ssl_bench.checkpoints.names import SIGNS
from ssl_bench.checkpoints.position import is_sincos
from ssl_bench.checkpoints.reading import read_object
from ssl_bench.checkpoints.timm_default import (
    default_net,
    is_timm_name,
    near_timm_names,
)
from ssl_bench.checkpoints.verify import Report
from ssl_bench.checkpoints.wrappers import unwrap
from ssl_bench.errors import UserError
from ssl_bench.header_fields import give_fields, given_fields, missing_fields
from ssl_bench.results.names import is_supervised
from ssl_bench.results.published import has_epochs
from ssl_bench.transfer.find_weights import find_named

RANDOM = 'random'
SUPERVISED = 'supervised'
# what the published tables call ImageNet's labels
LABELS = dict(method='Supervised', pretrain_data='IN1K labels')
# names of networks that timm does not know
_OWN_SIZES = re.compile(r'vit_d\d+_l\d+|resnet\d+-')
# and the two common ResNets that were trained on them
VARIANTS = {CAFFE: 'MSRA', TORCHVISION: 'torchvision'}


@dataclass
class Source:
    """Weights and what a record says of them.

    Attributes:
        backbone (Backbone, optional): None for random initialisation.
        arch (str, optional): Its name; None for random initialisation of
            the task's own architecture.
        arch_args (dict, optional): ``describe(architecture)``, as above; of
            a ResNet also its ``convention``, if it is not torchvision's.
    """

    backbone: Backbone | None
    arch: str | None = None
    arch_args: dict[str, Any] | None = None

    @property
    def weights(self) -> Backbone:
        """The backbone of a source that has one.

        Raises:
            ValueError: It is random initialisation.
        """
        if self.backbone is None:
            raise ValueError('random initialisation has no weights to load.')
        return self.backbone

    @property
    def method(self) -> str:
        """For instance InsLoc, or Random init."""
        if self.backbone is None:
            return 'Random init'
        return self.backbone.meta.get('method') or 'unknown'

    @property
    def variant(self) -> str:
        """The header's variant, often empty."""
        return self.backbone.meta.get('variant') or '' if self.backbone else ''

    @property
    def checkpoint_sha256(self) -> str | None:
        """Of the file the backbone was made from."""
        return (
            self.backbone.meta.get('source_sha256') if self.backbone else None
        )

    @property
    def fixed_positions(self) -> bool:
        """Whether there is a position table, of sines and cosines."""
        state = self.backbone.state if self.backbone else {}
        table = state.get('pos_embed')
        return table is not None and is_sincos(table, 'cls_token' in state)

    def pretrain(self) -> dict[str, Any]:
        """The record's ``pretrain`` group."""
        if self.backbone is None:
            return dict(
                data='none',
                epochs=None,
                batch=None,
                config=None,
                checkpoint_sha256=None,
                source='measured',
            )
        meta = self.backbone.meta
        read = meta.get('read') or {}
        more = {
            key: meta[key]
            for key in ('source_name', 'source_revision')
            if meta.get(key)
        }
        if read and meta.get('cost'):
            more['cost'] = meta['cost']
        return dict(
            data=meta.get('pretrain_data') or None,
            epochs=meta.get('pretrain_epochs'),
            batch=meta.get('pretrain_batch'),
            config=meta.get('config') or None,
            checkpoint_sha256=self.checkpoint_sha256,
            source='measured' if read else 'imported',
            images=read.get('images'),
            fingerprint=read.get('fingerprint'),
            departures=list(meta.get('departures') or ()),
            changes=list(meta.get('changes') or ()),
            given=given_fields(meta),
            **more,
        )

    @property
    def missing(self) -> list[str]:
        """Header fields that published numbers are compared by and it lacks.

        A control needs no epochs, nor does a method that has none.
        """
        if self.backbone is None:
            return []
        return [
            key
            for key in missing_fields(self.backbone.meta)
            if key != 'pretrain_epochs'
            or (has_epochs(self.method) and not is_supervised(self.method))
        ]


def open_source(
    checkpoint: str | Path,
    work_dir: str | Path,
    arch: str | None = None,
    meta: dict[str, Any] | None = None,
    allow_nan: bool = False,
) -> Source:
    """Read what the user named; write its backbone file next to the runs.

    Args:
        checkpoint (str | Path): ``random``, ``supervised=FILE`` with a file
            in torchvision's format or Detectron2's (`supervised_meta`), a
            backbone file, a checkpoint of any format that conversion reads
            (a folder of transformers too), published weights by name
            (`by_name.find_public`), or the name of a method with one of
            these on this disk (`find_named`).
        work_dir (str | Path): Where the backbone file goes.
        arch (str, optional): For ``random``, what to build; otherwise what
            the checkpoint must hold.
        meta (dict, optional): Header fields that the user knows better.
        allow_nan (bool): Take weights with NaN or infinite values.

    Raises:
        UserError: No such file, or no whole encoder in it, or values that
            are NaN or infinite.
    """
    if str(checkpoint) == RANDOM:
        return _random_source(arch, meta or {})
    path, foreign, meta = _named_file(checkpoint, meta or {})
    if path.name.endswith(SUFFIX):
        backbone = read_backbone(path)
        check_values(backbone, Report(), path, allow_nan)
        give_fields(backbone.meta, meta, path)
    else:
        backbone = to_backbone(
            path, foreign, arch, meta=meta, allow_nan=allow_nan
        )
        name = backbone_name(path, backbone)
        write_backbone(Path(work_dir) / f'{name}{SUFFIX}', backbone)
    found = architecture_of(backbone)
    if found is None:
        raise UserError(f'{path} holds no network that is known.')
    check_arch(arch, found, path)
    args = describe(found)
    if isinstance(found, ViT):  # no tensor tells the heads, the header may
        args['heads'] = backbone.meta['arch_args'].get('heads') or found.heads
        if args['heads'] and found.width % args['heads']:
            raise UserError(
                f'{path}: the header says {args["heads"]} heads, which do '
                f'not divide a width of {found.width}.'
            )
    check_convention(backbone.meta)
    if backbone.meta.get('convention', TORCHVISION) != TORCHVISION:
        args['convention'] = backbone.meta['convention']
    return Source(backbone, found.name, args)


def _random_source(arch: str | None, meta: dict[str, Any]) -> Source:
    """Random initialisation, which has no header."""
    if meta:
        raise UserError(
            f'`{RANDOM}` has no checkpoint to describe: leave '
            f'{", ".join(meta)} out.'
        )
    if arch is None:
        return Source(None)
    built = parse_arch(arch)
    return Source(None, built.name, describe(built))


def _named_file(
    checkpoint: str | Path, meta: dict[str, Any]
) -> tuple[Path, str | None, dict[str, Any]]:
    """The file that the user named, its format if told, and the header."""
    path, foreign = Path(checkpoint), None
    if is_public(checkpoint):
        return path, foreign, meta
    word, _, file = str(checkpoint).partition('=')
    if word == SUPERVISED and not path.exists():
        if not file:
            raise UserError(
                f"`{SUPERVISED}` takes the weights' file: {SUPERVISED}="
                f"resnet50.pth, in torchvision's format, or {SUPERVISED}="
                "R-50.pkl, Detectron2's."
            )
        path, foreign = Path(file), 'torchvision'
        if path.exists():
            foreign, meta = supervised_meta(path, meta)
    # a folder may also be named as a method is
    if not path.exists() or (path.is_dir() and not index_of(path)):
        if path.is_dir() and len(path.parts) > 1:
            kind_of(path)  # says what the folder is
        if foreign or path.suffix:
            raise UserError(
                f'no checkpoint {path}. Name a file, a method, '
                f'or `{RANDOM}` for random initialisation.'
            )
        named = find_named(str(checkpoint))
        path, meta = named.path, {'method': named.method} | meta
    return path, foreign, meta


def supervised_meta(
    path: Path, known: dict[str, Any]
) -> tuple[str, dict[str, Any]]:
    """Which of the supervised networks a file holds.

    The papers' tables have two: MSRA's, which Detectron2 trains from
    (``ImageNetPretrained/MSRA/R-50.pkl``), and torchvision's. Detectron2
    itself reads a file without an author as one of Caffe2's, which is MSRA's.

    Args:
        path (Path): The file.
        known (dict): Header fields that the user gave.

    Returns:
        tuple[str, dict]: The format's name, and the header fields.

    Raises:
        UserError: Detectron2's names, of an author who is not known.
    """
    content = read_object(path)
    names = unwrap(content, path).state
    convention = known.get('convention')
    if SIGNS['caffe2'] in names:
        source, found = 'caffe2', CAFFE
    elif SIGNS['detectron2'] in names:
        source = 'detectron2'
        author = author_of(content)
        found = convention_of_author(content) or ('' if author else CAFFE)
        if not (found or convention):
            raise UserError(
                f'{path} has the names of Detectron2 and is by {author!r}; '
                "MSRA's and torchvision's network differ in style and "
                "input. Say which it is: --meta convention=caffe (MSRA's) "
                'or --meta convention=torchvision.'
            )
    else:
        source, found = 'torchvision', TORCHVISION
    fields: dict[str, Any] = dict(LABELS)
    if source != 'torchvision' or SIGNS['torchvision'] in names:  # no ViT
        fields['convention'] = convention or found
        fields['variant'] = VARIANTS.get(fields['convention'], '')
    return source, fields | known


def backbone_name(path: Path, backbone: Backbone) -> str:
    """File name without suffix: method, variant, and the source's hash."""
    words = f'{backbone.meta.get("method")} {backbone.meta.get("variant")}'
    words = re.sub(r'[^a-z0-9]+', '-', words.casefold()).strip('-')
    return f'{words or path.stem}_{backbone.meta["source_sha256"][:12]}'


def parse_arch(given: str) -> Architecture:
    """Read ``resnet50``, ``r18``, ``vitb16``, ``vit_small_patch16``, a size
    of one's own: ``resnet18-w16`` (-stemN for the stem) and
    ``vit_d96_l4_h3_patch8`` (width, blocks, heads), or any other name of
    timm: ``convnextv2_tiny``, ``vit_small_patch14_dinov2``.

    Raises:
        UserError: Another name, or heads that do not divide the width.
    """
    try:
        return _own_arch(canonical_arch(given))
    except UserError as error:
        if is_timm_name(given):
            return default_net(given)
        near = near_timm_names(given)
        if not near or _OWN_SIZES.match(given):
            raise
        raise UserError(
            f'--arch {given!r}: timm has no such network; near: '
            f'{", ".join(near)}. Networks of other sizes are named like '
            'resnet18-w16 and vit_d96_l4_h3_patch8.'
        ) from error


def _own_arch(name: str) -> Architecture:
    """A residual network or a plain vision transformer by its full name."""
    if re.search(r'[a-z]0+(?!\d)', name):
        raise UserError(f'--arch {name!r}: every size must be 1 or more.')
    match = re.fullmatch(r'resnet(\d+)(?:-w(\d+))?(?:-stem(\d+))?', name)
    if match and int(match[1]) in RESNETS:
        base = int(match[2] or 64)
        return ResNet(int(match[1]), base, int(match[3] or base), base)
    match = re.fullmatch(
        r'vit_(?:d(\d+)_l(\d+)_h(\d+)|(\w+))_patch(\d+)', name
    )
    if match and (match[1] or match[4] in VITS):
        width, depth, heads = (
            map(int, match.groups()[:3]) if match[1] else VITS[match[4]]
        )
        if width % heads:
            raise UserError(
                f'--arch {name}: {heads} heads do not divide a '
                f'width of {width}.'
            )
        return ViT(width, depth, int(match[5]), None, heads, 4 * width)
    known = ', '.join(
        [
            *(f'resnet{depth}' for depth in RESNETS),
            *(f'vit_{size}_patch16' for size in VITS),
        ]
    )
    raise UserError(
        f'--arch {name!r}: random initialisation builds {known}, or another '
        'width, for instance resnet18-w16, vit_d96_l4_h3_patch8.'
    )
