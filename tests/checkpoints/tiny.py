"""Small encoders, and the ways in which files of others are odd."""

import random

import torch

from ssl_bench.checkpoints.architectures import ResNet, ViT

ARCHITECTURES = dict(
    resnet=ResNet(18, 4, 4, 4), vit=ViT(16, 2, 4, 2, None, 32)
)


def tiny(kind='resnet', seed=0):
    """An encoder's tensors, each of other values."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.rand(shape, generator=generator) + 0.1
        for name, shape in ARCHITECTURES[kind].shapes().items()
    }


def under(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


PREFIXES = (
    '',
    'module.',
    'module.module.',
    'backbone.',
    'model.backbone.',
    'encoder.',
    '_orig_mod.module.',
    'backbone._orig_mod.',
    '_fsdp_wrapped_module.',
    'net.trunk.',
    'module.encoder_q.',
    'base_encoder.',
    'x.y.z.',
)
KEYS = (
    None,
    'state_dict',
    'model',
    'module',
    'net',
    'encoder',
    'teacher',
    'student',
    'target_encoder',
    'model_ema',
    'weights',
    'model.state_dict',
    'ema.module',
)
JUNK = ('blocks.x.y', 'layer1.0.conv9.weight', 'head.weight', 'a\x1b[2J', '.')


def spoil(state, draw):
    """Change one thing of an encoder's tensors, or nothing."""
    state = dict(state)
    name = draw.choice(sorted(state))
    what = draw.randrange(10)
    if what == 0:
        del state[name]
    elif what == 1:
        state[name] = state[name][..., :-1]
    elif what == 2:
        state[name] = state[name].reshape(-1)
    elif what == 3:
        state[draw.choice(JUNK) + name] = state.pop(name)
    elif what == 4:
        state[draw.choice(JUNK)] = torch.ones(2)
    elif what == 5:
        state[name] = state[name] / 0
    elif what == 6:
        state[name] = state[name].to(torch.int8)
    elif what == 7:
        state[name] = torch.ones(())
    elif what == 8:
        words = name.split('.')
        words[draw.randrange(len(words))] = str(draw.randrange(10**12))
        state['.'.join(words)] = state.pop(name)
    return state


def wrap(state, draw):
    """A file's content, and the tensors that it holds by their own names."""
    named = under(draw.choice(PREFIXES), state)
    key = draw.choice(KEYS)
    content = named
    for word in reversed(key.split('.') if key else []):
        content = {word: content}
    if draw.random() < 0.4 and key:
        content['epoch'] = 3
        content['optimizer'] = {'state': {0: {'exp_avg': torch.ones(2)}}}
    if draw.random() < 0.2:
        content['other'] = under('q.', {'w': torch.ones(3)})
    if draw.random() < 0.1:
        content['second'] = under(draw.choice(PREFIXES), tiny(seed=5))
    if draw.random() < 0.1:
        content = {'state': content, 5: [content]}
    return content


def cases(count, seed=0):
    """Contents of files: (number, encoder's tensors, content)."""
    for number in range(count):
        draw = random.Random(seed * 1_000_003 + number)
        kind = draw.choice(sorted(ARCHITECTURES))
        state = spoil(tiny(kind), draw)
        yield number, state, wrap(state, draw)
