"""Files as the methods' own programs save them.

Names and shapes are those of the official models. The encoder holds real
values; every other tensor is one number seen through strides of zero, so
that a 700 MB file takes 100 MB.
"""

import argparse
import json
import pathlib
from collections import OrderedDict

import numpy as np
import torch

KEYS = pathlib.Path(__file__).parents[1] / 'data/checkpoint_keys'


def tensors(name, encoder, prefix, target=None):
    """Every tensor of an official model.

    Args:
        name (str): The list of names and shapes.
        encoder (dict): The values after ``prefix``.
        prefix (str): The prefix of the encoder's names.
        target (str): The same for the momentum copy, whose values are
            those of `copies`.
    """
    copied = copies(encoder)
    listed = json.loads((KEYS / f'{name}.json').read_text())
    state = OrderedDict()
    for key, (shape, dtype) in listed.items():
        ours = key[len(prefix) :] if key.startswith(prefix) else None
        theirs = (
            key[len(target) :] if target and key.startswith(target) else None
        )
        if theirs in copied:
            value = copied[theirs]
        elif ours in encoder:
            value = encoder[ours]
        else:
            value = torch.zeros((), dtype=getattr(torch, dtype)).expand(shape)
        assert list(value.shape) == shape, key
        state[key] = value
    return state


def copies(encoder):
    """A momentum copy: tensor number i is filled with i, to save space."""
    return {
        name: torch.full((), i, dtype=tensor.dtype).expand(tensor.shape)
        for i, (name, tensor) in enumerate(encoder.items())
    }


def prefixed(prefix, state):
    """The tensors with a prefix."""
    return {prefix + name: tensor for name, tensor in state.items()}


def options():
    """What training scripts put next to their weights."""
    return argparse.Namespace(
        lr=0.1, output_dir=pathlib.Path('/out'), world_size=8
    )


def pixpro(r50, name='pixpro'):
    return dict(
        opt=options(),
        epoch=100,
        optimizer=dict(state={}, param_groups=[]),
        scheduler={},
        amp=None,
        model=prefixed(
            'module.', tensors(name, r50, 'encoder.', 'encoder_k.')
        ),
    )


def lewel(r50):
    return dict(
        epoch=200,
        arch='resnet50',
        optimizer={},
        scaler={},
        best_acc1=torch.tensor(68.4),
        state_dict=prefixed(
            'module.',
            tensors(
                'lewel_b', r50, 'online_net.backbone.', 'target_net.backbone.'
            ),
        ),
    )


def siamese_im(vit):
    vit = {k: v for k, v in vit.items() if not k.startswith('norm.')}
    return dict(
        model=tensors('siamese_im_vitb16', vit, '', 'mm_'),
        optimizer={},
        epoch=400,
        scaler={},
        args=options(),
    )


def barlow_twins(r50):
    return dict(
        epoch=1000,
        optimizer={},
        model=prefixed('module.', tensors('barlow_twins', r50, 'backbone.')),
    )


def mocov2(r50):
    return dict(
        epoch=200,
        arch='resnet50',
        optimizer={},
        state_dict=prefixed(
            'module.', tensors('mocov2', r50, 'encoder_q.', 'encoder_k.')
        ),
    )


def insloc_fpn(r50):
    return dict(
        meta=dict(mmcv_version='0.6.2', epoch=400, config='model = dict()'),
        optimizer={},
        state_dict=tensors('insloc_fpn', r50, 'backbone.', 'backbone_k.'),
    )


def insloc_c4(r50):
    """The backbone ends at layer3; layer4 is in the RoI head."""
    state = OrderedDict()
    for suffix, values in (('', r50), ('_k', copies(r50))):
        for name, tensor in values.items():
            owner = (
                f'roi_head{suffix}.shared_head.'
                if name.startswith('layer4.')
                else f'backbone{suffix}.'
            )
            state[owner + name] = tensor
        state[f'roi_head{suffix}.bbox_head.fc.weight'] = torch.zeros(128, 2)
    state['queue'] = torch.zeros(128, 4)
    return dict(meta=dict(mmcv_version='0.6.2'), state_dict=state)


def heads(*names):
    return {name: torch.zeros(3) for name in names}


def sequential(r50):
    """Names of nn.Sequential(*resnet.children())."""
    numbers = dict(
        conv1='0', bn1='1', layer1='4', layer2='5', layer3='6', layer4='7'
    )
    return {
        '.'.join([numbers[name.split('.')[0]], *name.split('.')[1:]]): t
        for name, t in r50.items()
    }


def detectron2(r50):
    """The documented caffe2-style scheme, written out independently."""
    model = {}
    for name, tensor in r50.items():
        words = name.split('.')
        if words[0].startswith('layer'):
            out = [f'res{int(words[0][5:]) + 1}', words[1]]
            part = words[2]
            if part == 'downsample':
                out += ['shortcut'] + (['norm'] if words[3] == '1' else [])
            elif part.startswith('bn'):
                out += [f'conv{part[2:]}', 'norm']
            else:
                out += [part]
        else:
            out = ['stem', 'conv1'] + (['norm'] if words[0] == 'bn1' else [])
        model['.'.join(out + [words[-1]])] = tensor.numpy()
    return dict(model=model, __author__='somebody', matching_heuristics=True)


def msra(r50):
    """MSRA/R-50.pkl: a flat pickle of arrays with Caffe2's names.

    They are those in the logs of Detectron2, which loads the file so.
    """
    branches = dict(conv1='2a', conv2='2b', conv3='2c', downsample='1')
    parts = dict(
        weight='gamma',
        bias='beta',
        running_mean='running_mean',
        running_var='running_var',
    )
    arrays = {}
    for name, tensor in r50.items():
        words = name.split('.')
        if words[-1] == 'num_batches_tracked':
            continue
        norm = words[-2].startswith('bn') or words[-2:-1] == ['1']
        owner = 'res_conv1' if norm else 'conv1'
        if words[0].startswith('layer'):
            conv = words[2].replace('bn', 'conv')
            stage = int(words[0][5:]) + 1
            owner = f'res{stage}_{words[1]}_branch{branches[conv]}'
        arrays[f'{owner}_bn_{parts[words[-1]]}' if norm else f'{owner}_w'] = (
            tensor.numpy()
        )
    stem = next(iter(r50.values())).shape[0]
    arrays['conv1_b'] = np.zeros(stem, np.float32)
    arrays['fc1000_w'] = np.zeros((1000, 4), np.float32)
    arrays['fc1000_b'] = np.zeros(1000, np.float32)
    return arrays


def lightning(state):
    return {
        'epoch': 100,
        'global_step': 10,
        'state_dict': state,
        'pytorch-lightning_version': '2.1.0',
        'callbacks': {},
        'hyper_parameters': {'lr': np.float64(0.1)},
    }
