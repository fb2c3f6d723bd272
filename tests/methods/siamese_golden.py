"""Cases of SiameseIM's golden vectors as models and samples of ours."""

import json
from pathlib import Path

import numpy as np
import torch
from mmpretrain.registry import MODELS

import ssl_bench.methods  # noqa: F401  (registers the model)
from tests.devices import here

# read whole: forked processes would share the open file's position
PACK = dict(np.load(Path(__file__).parents[1] / 'data' / 'siamese_im.npz'))


def array(key):
    """An array of the pack; float16 ones are exact float32 values."""
    value = here(torch.from_numpy(PACK[key]))
    return value.float() if value.dtype == torch.float16 else value


def keys(prefix):
    """Names below a prefix."""
    return [key[len(prefix) :] for key in PACK if key.startswith(prefix)]


def our_name(name):
    """The official parameter's name in our model; None if we lack it."""
    if name == 'mm_mask_token' or name.startswith('student_norm'):
        return None  # nothing reads the first, the second is frozen at 1, 0
    momentum = name.startswith('mm_')
    name = name.removeprefix('mm_')
    for theirs, ours in (
        ('.bn.', '.'),
        ('.norm', '.ln'),
        ('.mlp.fc1', '.ffn.layers.0.0'),
        ('.mlp.fc2', '.ffn.layers.1'),
    ):
        name = name.replace(theirs, ours)
    for theirs, ours in (
        ('projector_decoder_blocks', 'neck.blocks'),
        ('predictor_decoder_blocks', 'head.blocks'),
        ('decoder_embed', 'neck.embed'),
        ('decoder_pos_mlp', 'head.relative_embed'),
        ('decoder_pos_embed', 'head.pos_embed'),
        ('decoder_pred', 'head.pred'),
        ('mask_token', 'head.mask_token'),
        ('blocks', 'backbone.layers'),
        ('patch_embed.proj', 'backbone.patch_embed.projection'),
        ('pos_embed', 'backbone.pos_embed'),
        ('cls_token', 'backbone.cls_token'),
    ):
        if name.startswith(theirs):
            name = ours + name[len(theirs) :]
            break
    if momentum:
        part, rest = name.split('.', 1)
        name = f'target.module.{dict(backbone=0, neck=1)[part]}.{rest}'
    return name


def build(case, **overrides):
    """A model of a case's sizes with its initial state."""
    hyper = json.loads(str(PACK[f'{case}/hyper']))
    norm = [
        dict(type='LN', eps=1e-6)
        if hyper[f'use_{part}_ln']
        else dict(type='TokenBN', eps=1e-5)
        for part in ('proj', 'pred')
    ]
    model = MODELS.build(
        dict(
            dict(
                type='SiameseIM',
                backbone=dict(
                    type='SincosViT',
                    arch=dict(
                        embed_dims=hyper['D'],
                        num_layers=hyper['depth'],
                        num_heads=hyper['heads'],
                        feedforward_channels=4 * hyper['D'],
                    ),
                    img_size=hyper['img'],
                    patch_size=hyper['patch'],
                    train_patch_embed=hyper['train_patch_embed'],
                ),
                neck=dict(
                    type='SiameseIMProjector',
                    channels=hyper['Dd'],
                    depth=hyper['proj'],
                    num_heads=hyper['dheads'],
                    norm_cfg=norm[0],
                ),
                head=dict(
                    type='SiameseIMPredictor',
                    depth=hyper['pred'],
                    num_heads=hyper['dheads'],
                    norm_cfg=norm[1],
                ),
                num_masked=hyper['nmask'],
                neg_weight=hyper['neg_weight'],
                normalise_pred=hyper['online_ln'],
                momentum=hyper['mm'],
                momentum_schedule='constant',
            ),
            **overrides,
        )
    )
    state = {
        our_name(name): array(f'{case}/state/{name}')
        for name in keys(f'{case}/state/')
    }
    state.pop(None)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected
    # what the pack does not list starts as it is: tables and BN buffers
    assert all(
        'running_' in m
        or 'num_batches' in m
        or 'pos_embed' in m
        or m == 'target.step'
        for m in missing
    )
    return model.train()


def crop_record(pairs):
    """Official crops, in mirrored images, as crops of the source."""
    width, height = pairs[:, 0], pairs[:, 1]
    crops, flips = [], []
    for i, j, h, w, flip in (pairs[:, 2:7].T, pairs[:, 7:].T):
        left = torch.where(flip.bool(), width - j - w, j)
        crops.append(torch.stack([left, i, left + w, i + h], 1))
        flips.append(flip.bool())
    return (
        torch.stack(crops, 1).float(),
        torch.stack(flips, 1),
        torch.stack([height, width], 1).float(),
    )


def samples(crops, flips, size, mask):
    """The fields of a batch."""
    return dict(crops=crops, flips=flips, source_size=size, mask=mask.bool())


def batch(case):
    """Views and samples of a case."""
    return (
        [array(f'{case}/x1'), array(f'{case}/x2')],
        samples(*crop_record(array(f'{case}/pairs')), array(f'{case}/mask')),
    )
