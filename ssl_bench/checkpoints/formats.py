"""Who writes which names: the table by which a checkpoint is recognised."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ssl_bench.checkpoints.conventions import CAFFE
from ssl_bench.errors import UserError, unknown_name


@dataclass(frozen=True)
class Format:
    """One program's checkpoints.

    Names are compared after ``module.`` and ``_orig_mod.`` are removed.

    Args:
        name (str): What ``--from`` takes.
        method (str): The pretraining method it implies, or ''.
        online, target (tuple[str]): Prefixes of the trained encoder and of
            its momentum copy; the first that holds an encoder is taken, and
            ``*`` is the only other one in the file.
        needs (tuple[str]): Patterns, each of which starts some name.
        lacks (tuple[str]): Patterns that start no name.
        wrappers (tuple[str]): Kinds of file it comes in (`wrappers.unwrap`).
        shared (tuple[str]): Names that both branches use.
        last_epoch (int, optional): What the program's count of epochs lacks
            of the number done: 1 where it saves the index of the last one.
            None where the number says nothing of pretraining.
        unused (tuple[str]): Names among the encoder's that never transfer.
        convention (str, optional): Of its ResNets, where it is always the
            same and not torchvision's (`conventions.CONVENTIONS`).
        tells (tuple): Patterns, and the method and variant of a file in
            which some name starts so; the last that fits counts.
    """

    name: str
    method: str = ''
    online: tuple[str, ...] = ('',)
    target: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    wrappers: tuple[str, ...] = ('flat', 'state_dict', 'model')
    shared: tuple[str, ...] = ()
    last_epoch: int | None = None
    unused: tuple[str, ...] = ()
    convention: str | None = None
    tells: tuple[tuple[str, str, str], ...] = ()

    def implied(self, names: Iterable[str]) -> tuple[str, str]:
        """Method and variant of a file with these names, or ''."""
        found = self.method, ''
        for pattern, method, variant in self.tells:
            if any(re.match(pattern, name) for name in names):
                found = method, variant
        return found

    def matches(self, names: Iterable[str], wrapper: str) -> bool:
        """Whether a file with these names can be of this format."""

        def some(pattern: str) -> bool:
            return any(re.match(pattern, name) for name in names)

        return (
            wrapper in self.wrappers
            and all(map(some, self.needs))
            and not any(map(some, self.lacks))
        )


# The target is whatever other prefix holds a whole encoder: each method of
# this project and of mmpretrain names its momentum branch in its own way.
MOMENTUM = ('*',)
_RESNET = r'layer1\.0\.conv1\.'
FORMATS: tuple[Format, ...] = (
    # this project, mmpretrain, mmselfsup 1, mmdet 3, mmseg 1
    Format(
        'mmengine',
        online=('backbone.',),
        target=MOMENTUM,
        needs=(r'backbone\.',),
        wrappers=('mmengine',),
    ),
    Format(
        'insloc',
        'InsLoc',
        ('backbone.',),
        ('backbone_k.',),
        (r'backbone\.', r'backbone_k\.'),
        last_epoch=0,
        tells=(
            (r'neck\.', 'InsLoc', 'FPN'),
            (r'roi_head\.shared_head\.', 'InsLoc', 'C4'),
        ),
    ),
    Format(
        'pixpro',
        'PixPro',
        ('encoder.',),
        ('encoder_k.',),
        (r'encoder\.', r'encoder_k\.', r'projector\.linear1'),
        last_epoch=0,
        tells=((r'projector_instance\.', 'PixPro', 'with instance branch'),),
    ),
    Format(
        'lewel',
        'LEWEL',
        ('online_net.backbone.',),
        ('target_net.backbone.',),
        (r'online_net\.backbone\.', r'online_net\.neck\.proj_obj'),
        last_epoch=0,
    ),
    Format(
        'byol',
        'BYOL',
        (
            'online_net.backbone.',
            'online_network.encoder.',
            'online_network.',
            'online_encoder.net.',
            'online_net.0.',
        ),
        (
            'target_net.backbone.',
            'target_network.encoder.',
            'target_network.',
            'target_encoder.net.',
            'target_net.0.',
        ),
        (r'online_(net|network|encoder)\.',),
        (r'\S+proj_obj',),
    ),
    Format(
        'siamese_im',
        'SiameseIM',
        ('',),
        ('mm_',),
        (r'blocks\.0\.', r'mm_blocks\.'),
        shared=('pos_embed',),
        last_epoch=1,
    ),
    Format(
        'siamese_im_finetuned',
        'SiameseIM',
        needs=(r'blocks\.0\.', r'fc_norm\.', r'head\.'),
        lacks=(r'norm\.', r'\S+q_bias'),
        wrappers=('model',),
    ),
    Format(
        'mae',
        'MAE',
        needs=(r'blocks\.0\.', r'decoder_|norm\.'),
        lacks=(r'mm_', r'\S+q_bias', r'head\.'),
        wrappers=('model',),
        last_epoch=1,
    ),
    Format(
        'mae_finetuned',
        'MAE',
        needs=(r'blocks\.0\.', r'fc_norm\.', r'head\.'),
        lacks=(r'norm\.', r'\S+q_bias'),
        wrappers=('model',),
    ),
    Format(
        'barlow_twins',
        'Barlow Twins',
        ('backbone.',),
        (),
        (r'backbone\.', r'projector\.0\.', r'bn\.running_mean'),
        last_epoch=0,
    ),
    Format(
        'moco',
        '',  # told by its head
        ('encoder_q.',),
        ('encoder_k.',),
        (r'encoder_q\.(conv1|fc)\.',),
        last_epoch=0,
        tells=(
            (r'encoder_q\.fc\.(weight|bias)\Z', 'MoCo v1', ''),
            (r'encoder_q\.fc\.\d', 'MoCo v2', ''),  # an MLP
        ),
    ),
    Format(
        'densecl',
        'DenseCL',
        ('encoder_q.0.',),
        ('encoder_k.0.',),
        (r'encoder_q\.0\.', r'queue2\Z'),
    ),
    Format(
        'openselfsup_moco',
        '',
        ('encoder_q.0.',),
        ('encoder_k.0.',),
        (r'encoder_q\.0\.',),
        (r'queue2\Z',),
        tells=(
            (r'encoder_q\.1\.fc\.', 'MoCo v1', ''),
            (r'encoder_q\.1\.mlp\.', 'MoCo v2', ''),
        ),
    ),
    # and mmselfsup 0, mmdet 2, mmcls: anything of mmcv's time
    Format(
        'openselfsup',
        '',
        ('backbone.',),
        (),
        (r'backbone\.',),
        (
            r'backbone_k\.',
            r'projector\.',
            r'projection_head\.',
            r'online_net',
            r'encoder_q',
            r'classifier\.',
            r'momentum_',
            r'prediction_head\.',
            r'bottom_up',
            r'backbone\.(bottom_up|stem|res2)\.',
        ),
    ),
    Format(
        'mocov3',
        'MoCo v3',
        ('base_encoder.',),
        ('momentum_encoder.',),
        (r'base_encoder\.',),
        last_epoch=0,
    ),
    Format(
        'simsiam',
        'SimSiam',
        ('encoder.',),
        (),
        (r'encoder\.', r'predictor\.'),
        (r'encoder_k\.', r'projector\.'),
        last_epoch=0,
    ),
    Format('swav', 'SwAV', needs=(_RESNET, r'prototypes|projection_head')),
    Format(
        'dino',
        '',  # iBOT and others save the same
        ('student.backbone.', 'student.'),
        ('teacher.backbone.', 'teacher.'),
        wrappers=('dino',),
        last_epoch=0,
    ),
    Format(
        'vissl', '', ('trunk._feature_blocks.', 'trunk.'), wrappers=('vissl',)
    ),
    Format(
        'solo_learn',
        '',
        ('backbone.', 'encoder.'),
        ('momentum_backbone.', 'momentum_encoder.'),
        (
            r'(backbone|encoder)\.',
            r'projector\.|predictor\.|classifier\.|momentum_',
        ),
        (r'bn\.running_mean', r'encoder_k\.', r'projection_head'),
        ('lightning',),
    ),
    Format(
        'lightly',
        '',
        ('backbone.',),
        ('backbone_momentum.',),
        (
            r'backbone\.',
            r'projection_head|prediction_head|'
            r'backbone_momentum|backbone\.0\.weight',
        ),
        (r'projector\.', r'classifier\.'),
        ('lightning',),
    ),
    Format(
        'lightning',
        '',
        ('backbone.', 'encoder.', 'model.'),
        (),
        (),
        (
            r'projector\.|predictor\.|classifier\.|momentum_',
            r'projection_head|prediction_head|backbone_momentum|'
            r'backbone\.0\.weight',
        ),
        ('lightning',),
    ),
    Format(
        'detectron2',
        '',
        ('', 'backbone.bottom_up.', 'backbone.'),
        (),
        (r'(backbone\.(bottom_up\.)?)?stem\.conv1\.',),
        wrappers=('flat', 'model', 'detectron2'),
    ),
    # MSRA/R-50.pkl; Detectron2 leaves the bias of the first convolution, too
    Format(
        'caffe2',
        needs=(r'res2_0_branch2a_w\Z', r'conv1_w\Z'),
        wrappers=('flat', 'model', 'detectron2'),
        unused=('conv1_b', 'fc1000_w', 'fc1000_b', 'pred_w', 'pred_b'),
        convention=CAFFE,
    ),
    Format(
        'hf',
        '',
        ('', 'resnet.', 'vit.'),
        (),
        (r'(resnet\.)?embedder\.embedder\.|(vit\.)?embeddings\.patch',),
    ),
    Format(
        'torchvision',
        needs=(rf'{_RESNET}|conv_proj\.',),
        lacks=(r'prototypes', r'projection_head'),
    ),
    Format(
        'timm',
        needs=(r'blocks\.0\.',),
        lacks=(r'mm_', r'decoder_'),
        wrappers=('flat', 'state_dict'),
    ),
    Format(
        'timm',
        needs=(r'blocks\.0\.', r'norm\.', r'head\.'),
        lacks=(r'mm_', r'decoder_', r'\S+q_bias'),
        wrappers=('model',),
    ),
)


def format_named(name: str) -> Format:
    """Look up what ``--from`` names.

    Raises:
        UserError: There is no such format, with the nearest names.
    """
    for row in FORMATS:
        if row.name == name:
            return row
    raise unknown_name(
        'checkpoint format', name, {row.name for row in FORMATS}
    )


def detect(names: Iterable[str], wrapper: str, path: Any) -> Format | None:
    """Recognise a file from its tensors' names.

    Returns:
        Format | None: None when no row fits.

    Raises:
        UserError: Several rows fit; it names them and asks.
    """
    found = [row for row in FORMATS if row.matches(names, wrapper)]
    if len(found) > 1:
        choices = ' or '.join(f'--from {row.name}' for row in found)
        raise UserError(
            f'{path} could be {" or ".join(row.name for row in found)}: '
            f'say which with {choices}'
        )
    return found[0] if found else None
