"""Small random backbones, as if somebody had pretrained them."""

import torch


def thin_backbone(seed=0, depth=18, base=16):
    """A distinctive random backbone, as a Backbone with a full header."""
    from mmdet.models.backbones import ResNet

    from ssl_bench.checkpoints import Backbone
    from ssl_bench.checkpoints.architectures import describe, recognise

    generator = torch.Generator().manual_seed(seed)
    net = ResNet(depth, base_channels=base, norm_eval=False)
    state = {}
    for name, tensor in net.state_dict().items():
        if name.endswith('num_batches_tracked'):
            continue
        noise = torch.rand(tensor.shape, generator=generator)
        scale = 0.1 if tensor.ndim == 4 else 1.0
        state[name] = (
            (noise - 0.5) * scale if tensor.ndim == 4 else 0.5 + noise
        )
    arch = recognise(state)
    meta = dict(
        method='Noise',
        variant='',
        arch=arch.name,
        arch_args=describe(arch),
        pretrain_data='noise',
        pretrain_epochs=1,
        pretrain_batch=2,
        config='',
        source_format='mmengine',
        source_sha256='0' * 64,
        ssl_bench_version='0',
    )
    return Backbone(state, meta=meta)


def tiny_vit(seed=0):
    """A random ViT of width 96 in timm's names, with a final norm."""
    from mmpretrain.models import VisionTransformer

    from ssl_bench.checkpoints import Backbone
    from ssl_bench.checkpoints.architectures import describe, recognise
    from ssl_bench.checkpoints.names import to_ours

    torch.manual_seed(seed)
    net = VisionTransformer(
        arch=dict(
            embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384
        ),
        img_size=64,
        patch_size=8,
    )
    for value in net.parameters():
        torch.nn.init.normal_(value, std=0.1)
    state = to_ours(net.state_dict(), 'mmpretrain_vit')
    arch = recognise(state)
    args = {**describe(arch), 'heads': 3}
    return net, Backbone(
        state,
        meta=dict(
            method='Noise',
            variant='',
            arch=arch.name,
            arch_args=args,
            pretrain_data='noise',
            pretrain_epochs=1,
            pretrain_batch=2,
            config='',
            source_format='mmengine',
            source_sha256='1' * 64,
            ssl_bench_version='0',
        ),
    )
