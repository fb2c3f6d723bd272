"""A tiny embedded data set and backbones shared by the transfer tests."""
import pytest
import torch

from ssl_bench.data.mini import MiniSizes, make_mini
from ssl_bench.data.mini.variants import make_variants
from ssl_bench.transfer.subsets import write_subset


@pytest.fixture(scope='session')
def mini_root(tmp_path_factory):
    """Embedded data of a few dozen images."""
    root = tmp_path_factory.mktemp('data') / 'mini'
    make_mini(root, sizes=MiniSizes(
        imagenet_train=40, imagenet_val=16, imagenet_px=64,
        voc07_trainval=24, voc07_test=8, voc12_trainval=8, seg_train=8,
        seg_val=4, coco_train=16, coco_val=6, px=96))
    make_variants(root)
    write_subset(root / 'imagenet/train', 50,
                 root / 'imagenet/meta/semi10.txt')
    return root


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
        scale = 0.1 if tensor.ndim == 4 else 1.
        state[name] = (noise - 0.5) * scale if tensor.ndim == 4 \
            else 0.5 + noise
    arch = recognise(state)
    meta = dict(method='Noise', variant='', arch=arch.name,
                arch_args=describe(arch), pretrain_data='noise',
                pretrain_epochs=1, pretrain_batch=2, config='',
                source_format='mmengine', source_sha256='0' * 64,
                ssl_bench_version='0')
    return Backbone(state, meta=meta)


@pytest.fixture(scope='session')
def source():
    """A thin backbone as a source."""
    from ssl_bench.transfer.source import Source
    backbone = thin_backbone()
    return Source(backbone, backbone.meta['arch'],
                  backbone.meta['arch_args'])


def tiny_vit(seed=0):
    """A random ViT of width 96 in timm's names, with a final norm."""
    from mmpretrain.models import VisionTransformer

    from ssl_bench.checkpoints import Backbone
    from ssl_bench.checkpoints.architectures import describe, recognise
    from ssl_bench.checkpoints.names import to_ours
    torch.manual_seed(seed)
    net = VisionTransformer(
        arch=dict(embed_dims=96, num_layers=4, num_heads=3,
                  feedforward_channels=384), img_size=64, patch_size=8)
    for value in net.parameters():
        torch.nn.init.normal_(value, std=0.1)
    state = to_ours(net.state_dict(), 'mmpretrain_vit')
    arch = recognise(state)
    args = {**describe(arch), 'heads': 3}
    return net, Backbone(state, meta=dict(
        method='Noise', variant='', arch=arch.name, arch_args=args,
        pretrain_data='noise', pretrain_epochs=1, pretrain_batch=2,
        config='', source_format='mmengine', source_sha256='1' * 64,
        ssl_bench_version='0'))
