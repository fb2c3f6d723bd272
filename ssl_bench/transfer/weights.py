"""Weights into a task's model: a backbone, or a whole trained network."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from torch import Tensor, nn

from ssl_bench.checkpoints import load_into
from ssl_bench.checkpoints.names import from_ours
from ssl_bench.checkpoints.reading import read_object
from ssl_bench.checkpoints.values import check_finite, plain
from ssl_bench.checkpoints.wrappers import unwrap
from ssl_bench.errors import UserError
from ssl_bench.files import sha256
from ssl_bench.results import FILE_NAME
from ssl_bench.run_folder import newest_checkpoint, numbered_checkpoints
from ssl_bench.toolbox.load_images import SKIPPED
from ssl_bench.toolbox.timm_backbone import TimmBackbone
from ssl_bench.transfer.checkpoint_choice import forget_candidates
from ssl_bench.transfer.source import Source

# beginnings and patterns of tensors that a ViT's file does not have
FRESH_IN_VITS = (
    'ln2.',
    'layers.*.attn.rel_pos_?',
    'layers.*.gamma_?',
    'layers.*.attn.relative_position_*',
)
# timm's names of a norm after the last block
FINAL_NORMS = ('norm.', 'fc_norm.', 'head.norm.')


def hold_positions(model: Any, config: Config) -> None:
    """Leave a ViT's position table untrained, where the config says so."""
    if not config.get('fixed_positions', False):
        return
    net = getattr(model.backbone, 'net', model.backbone)  # timm's
    table = getattr(net, 'pos_embed', None)
    if isinstance(table, Tensor):
        table.requires_grad_(False)


def load_backbone(
    model: Any, source: Source, neck_and_head: bool = False
) -> None:
    """Fill a task's model; of a C4 detector also the shared head.

    Args:
        model (nn.Module): Detector, segmenter or classifier.
        source (Source): With a backbone.
        neck_and_head (bool): Also InsLoc's pyramid and box head.

    Raises:
        UserError: A tensor finds no place, or a place no tensor.
    """
    if neck_and_head:
        load_into(model.neck, source.weights, group='neck')
        load_into(
            model.roi_head.bbox_head,
            source.weights,
            prefix='bbox_head.',
            group='roi_head',
            # the second layer is of pretraining's projection
            without=('shared_fcs.1.',),
            fresh=('fc_cls.', 'fc_reg.', 'fc_norm.'),
        )
    shared = getattr(getattr(model, 'roi_head', None), 'shared_head', None)
    if shared is None:
        load_whole(model.backbone, source)
        return
    load_into(model.backbone, source.weights, without=('layer4.',))
    load_into(shared.layer4, source.weights, prefix='layer4.')


def load_whole(module: nn.Module, source: Source) -> None:
    """Fill a backbone that is not part of a detector with a shared head.

    A ViT that averages its tokens has a fresh norm after that (``ln2``) in
    the place of the file's last one (``ln1``). A detector's has no class
    token. Its relative positions start as they are initialised, as does a
    segmenter's layer scale. One of timm's networks takes every tensor; a
    final norm that the file lacks is not used.
    """
    if isinstance(module, TimmBackbone):
        load_into(
            module.net,
            source.weights,
            fresh=() if module.final_norm else FINAL_NORMS,
        )
        return
    names = module.state_dict()
    vit = 'patch_embed.projection.weight' in names
    without = ['ln1.'] if vit and 'ln1.weight' not in names else []
    if vit and names['pos_embed'].ndim == 4:
        without.append('cls_token')
    load_into(
        module,
        source.weights,
        without=without,
        fresh=FRESH_IN_VITS if vit else (),
    )


@dataclass
class Trained:
    """Where trained weights are.

    Attributes:
        path (Path): The checkpoint.
        sha256 (str): Of the file.
    """

    path: Path
    sha256: str


def open_classifier(place: str | Path) -> Trained:
    """The classifier that a user named, or that a run left.

    Args:
        place (str | Path): A checkpoint, or the folder of a run.

    Raises:
        UserError: Nothing there.
    """
    place = Path(place)
    if place.is_dir():
        last = newest_checkpoint(place)
        if last is None:
            raise UserError(
                f'{place} has no checkpoint. Name a fine-tuning '
                "run's folder, or a file, with --classifier."
            )
        place = last
    if not place.is_file():
        raise UserError(
            f'no classifier {place}. Name a checkpoint, or the '
            'folder of a fine-tuning run, with --classifier.'
        )
    return Trained(place, sha256(place))


def trained_classifier(folder: Path, task: str, trainer: str) -> Trained:
    """What a finished fine-tuning run left.

    Args:
        folder (Path): Of that run.
        task, trainer (str): Ids, for the message.

    Raises:
        UserError: It was not run, or not to its end.
    """
    if not (folder / FILE_NAME).exists() or newest_checkpoint(folder) is None:
        raise UserError(
            f'{task} tests a fine-tuned classifier, and there is none of '
            f'these weights, seed and settings in {folder}. Fine-tune first '
            f'(--tasks {trainer} {task}), or name one with --classifier.'
        )
    return open_classifier(folder)


def finished_training(folder: Path, loop: dict) -> Trained:
    """The last checkpoint of a training that came to its end.

    Args:
        folder (Path): Of the run.
        loop (dict): The config's ``train_cfg``.

    Raises:
        UserError: Not trained, or not to the end.
    """
    last = newest_checkpoint(folder)
    if last is None:
        raise UserError(
            f'{folder} has no checkpoint to test. Train first: '
            'the same command without --eval-only.'
        )
    match = re.fullmatch(r'(iter|epoch)_(\d+)\.pth', last.name)
    if match is None:
        raise UserError(
            f'{last} is not a checkpoint of a training here: expected '
            'iter_N.pth or epoch_N.pth.'
        )
    unit, count = match.groups()
    most = loop.get('max_iters' if unit == 'iter' else 'max_epochs')
    if unit == 'iter' and int(count) != most:
        # other processes make up a batch in another number of iterations
        most = read_object(last).get('meta', {}).get('max_iters', most)
    if int(count) != most:
        raise UserError(
            f'{folder} was trained for {count} of {most} {unit}s.'
            ' Finish it: the same command without --eval-only.'
        )
    return open_classifier(last)


def forget(folder: Path) -> None:
    """Remove what an interrupted run would continue from."""
    if not is_main_process():
        return
    forget_candidates(folder)
    for path in [
        *numbered_checkpoints(folder),
        folder / 'last_checkpoint',  # mmengine's
        folder / SKIPPED,
    ]:
        path.unlink(missing_ok=True)


def load_classifier(model: nn.Module, trained: Trained) -> None:
    """Fill a whole network, head included.

    mmpretrain's names are read, and those of MAE's and SiameseIM's own
    fine-tuned files.

    Raises:
        UserError: A tensor finds no place, a place no tensor, or another
            shape; or there are NaN or infinite values.
    """
    found = unwrap(read_object(trained.path), trained.path).state
    check_finite(found, trained.path, None)
    state = toolkit_names(plain(found, trained.path)[0])
    wanted = model.state_dict()
    faults = sorted(
        [
            *(f'{name} is missing' for name in wanted if name not in state),
            *(f'{name} is unexpected' for name in state if name not in wanted),
            *(
                f'{name} is {tuple(state[name].shape)}, expected '
                f'{tuple(wanted[name].shape)}'
                for name in wanted
                if name in state and state[name].shape != wanted[name].shape
            ),
        ]
    )
    if faults:
        raise UserError(
            f'{trained.path} does not fit this network: {faults[0]}'
            + (f' (and {len(faults) - 1} more)' if faults[1:] else '')
            + '. It needs the whole trained network with its head.'
        )
    model.load_state_dict(state)


def toolkit_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names of MAE's fine-tuned networks to mmpretrain's, others kept."""
    if 'blocks.0.norm1.weight' not in state:
        return state
    heads = {'head.': 'head.fc.', 'fc_norm.': 'backbone.ln2.'}
    named, encoder = {}, {}
    for name, tensor in state.items():
        kind = next((kind for kind in heads if name.startswith(kind)), None)
        if kind:
            named[heads[kind] + name[len(kind) :]] = tensor
        else:
            encoder[name] = tensor
    renamed = from_ours(encoder, 'mmpretrain_vit')
    return {
        **named,
        **{f'backbone.{name}': tensor for name, tensor in renamed.items()},
    }
