"""Networks of other programs in the names of their authors' files."""

import re

import torch

SMALL = dict(hidden_sizes=[8, 16, 32, 64], depths=[1, 2, 1, 1])


SWIN = dict(
    image_size=64, embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=4
)


def sparse_names(dense):
    """FCMAE's training names, element by element."""
    found = {}
    for name, tensor in dense.items():
        sparse = name.startswith('stages') or re.match(
            r'downsample_layers\.[123]\.1', name
        )
        if name.endswith('.weight') and tensor.ndim == 4 and sparse:
            out, within, rows, columns = tensor.shape
            kernel = torch.empty(rows * columns, within, out)
            for row in range(rows):
                for column in range(columns):
                    kernel[column * rows + row] = tensor[:, :, row, column].T
            if within == 1:
                kernel = kernel[:, 0]
            found[name.replace('.weight', '.kernel')] = kernel
        elif '.grn.' in name:
            found[name] = tensor.reshape(1, -1)
        elif '.pwconv' in name:
            found[re.sub(r'(\w+)\Z', r'linear.\1', name)] = tensor
        elif '.norm.' in name or re.match(r'downsample.*[123]\.0', name):
            found[re.sub(r'(\w+)\Z', r'ln.\1', name)] = tensor
        else:
            found[name] = tensor
    return found


def official_convnext(hf):
    """A ConvNeXt of transformers in the names of its authors."""
    found = {}
    for name, tensor in hf.state_dict().items():
        name = name.replace('encoder.', '').replace('.layers.', '.')
        name = re.sub(
            r'stages\.(\d)\.downsampling_layer', r'downsample_layers.\1', name
        )
        name = name.replace(
            'embeddings.patch_embeddings', 'downsample_layers.0.0'
        )
        name = name.replace('embeddings.layernorm', 'downsample_layers.0.1')
        name = name.replace('layernorm', 'norm')
        name = name.replace('grn.weight', 'grn.gamma')
        name = name.replace('grn.bias', 'grn.beta')
        name = name.replace('layer_scale_parameter', 'gamma')
        found[name] = tensor
    return found


def official_swin(hf):
    """A Swin of transformers in the names of its authors."""
    found = {}
    for name, tensor in hf.state_dict().items():
        name = name.removeprefix('encoder.')
        name = name.replace(
            'embeddings.patch_embeddings.projection', 'patch_embed.proj'
        )
        name = name.replace('embeddings.norm', 'patch_embed.norm')
        name = name.replace('layernorm_before', 'norm1')
        name = name.replace('layernorm_after', 'norm2')
        name = name.replace('layernorm.', 'norm.')
        name = name.replace('attention.relative_position_bias.', 'attn.')
        name = name.replace('attention.o_proj', 'attn.proj')
        name = name.replace('attention.', 'attn.')
        found[name] = tensor
    for name in [name for name in found if '.q_proj.' in name]:
        parts = [name.replace('.q_proj.', f'.{p}_proj.') for p in 'qkv']
        joined = torch.cat([found.pop(part) for part in parts])
        found[name.replace('q_proj', 'qkv')] = joined
    return found


def seer_names(model):
    """A RegNet of torchvision in the names of VISSL's trunk."""
    found = {}
    for name, tensor in model.state_dict().items():
        if name.startswith('fc.'):
            continue
        name = name.replace('stem.', 'conv1.stem.')
        name = re.sub(
            r'trunk_output\.block(\d)\.',
            lambda m: f'res{int(m[1]) + 1}.',
            name,
        )
        name = name.replace('.f.c.0.', '.f.c.').replace(
            'f.c.1.', 'f.final_bn.'
        )
        name = name.replace('se.fc1', 'se.excitation.0')
        name = name.replace('se.fc2', 'se.excitation.2')
        name = name.replace('.proj.0.', '.proj.').replace('.proj.1.', '.bn.')
        found[f'_feature_blocks.{name}'] = tensor
    return found
