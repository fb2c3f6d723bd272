"""Sizes that do not fit are refused before a run, with both numbers."""

import pytest
from PIL import Image

from ssl_bench.config import load_config
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.errors import UserError

VIT = 'model.backbone.'
CASES = {
    'queue of mmpretrain': (
        'mini/mocov2_r18',
        {'train_dataloader.batch_size': 60},
        'queue of 512 keys is not a multiple of the global batch of 60',
    ),
    'queue of mmpretrain without keys': (
        'mini/mocov2_r18',
        {'model.queue_len': 0},
        'queue of 0 keys is not a multiple of the global batch of 64',
    ),
    'queue of InsLoc': (
        'mini/insloc_r18_fpn',
        {'train_dataloader.batch_size': 48},
        'queue of 256 keys is not a multiple of the global batch of 48',
    ),
    'queue of LEWEL': (
        'mini/lewel_m_r18',
        {'train_dataloader.batch_size': 48},
        'queue of 1024 keys is not a multiple of the global batch of 48',
    ),
    "mmpretrain's loss of SwAV": (
        'swav_r50_200e',
        {
            'model.head.loss': dict(
                _delete_=True, type='SwAVLoss', feat_dim=128, num_crops=[2, 6]
            )
        },
        'Use GlobalSwAVLoss with SwAVScheduleHook',
    ),
    'queue of SwAV': (
        'swav_r50_200e',
        {'train_dataloader.batch_size': 28},
        'queue of 3840 embeddings is not a multiple of the global batch of 28',
    ),
    'heads of LEWEL': (
        'mini/lewel_b_r18',
        {'model.neck.num_heads': 5},
        'num_heads 5 does not divide in_channels 128',
    ),
    'heads of SiameseIM': (
        'mini/siamese_im_vit_tiny',
        {'model.head.num_heads': 5},
        '5 heads do not divide 96 channels',
    ),
    'heads of a ViT of mmpretrain': (
        'mocov3_vitb16_300e',
        {
            VIT + 'arch': dict(
                _delete_=True,
                embed_dims=48,
                num_layers=1,
                num_heads=5,
                feedforward_channels=96,
            ),
            'model.neck.in_channels': 48,
        },
        '5 heads do not divide the 48 channels of backbone',
    ),
    'patches of SiameseIM': (
        'mini/siamese_im_vit_tiny',
        {VIT + 'patch_size': 7},
        'patches of 7 pixels do not divide a view of 64 pixels',
    ),
    'patches of the mask': (
        'mini/siamese_im_vit_tiny',
        {
            'train_dataloader.dataset.data_root': 'tests',
            'train_dataloader.dataset.extensions': ('.py',),
            'train_dataloader.dataset.pipeline.1.patch_size': 7,
        },
        'patches of 7 pixels do not divide a view of 64 pixels',
    ),
    'masks of SiameseIM': (
        'mini/siamese_im_vit_tiny',
        {'model.num_masked': 38},
        'num_masked=38 of 64 patches, the data mask 39 of 64',
    ),
    'grid of the mask': (
        'mini/siamese_im_vit_tiny',
        {
            'train_dataloader.dataset.pipeline.1.size': 56,
            'train_dataloader.dataset.pipeline.1.ratio': 39 / 49,
        },
        'num_masked=39 of 64 patches, the data mask 39 of 49',
    ),
    'patches of mmpretrain': (
        'mocov3_vitb16_300e',
        {VIT + 'patch_size': 30},
        'patches of 30 pixels do not divide a view of 224 pixels',
    ),
    'views of another size than the ViT': (
        'mini/siamese_im_vit_tiny',
        {VIT + 'img_size': 96},
        'views of 64 x 64 pixels, the backbone was built for 96 x 96',
    ),
    'stride of InsLoc': (
        'mini/insloc_r18_fpn',
        {'train_dataloader.dataset.pipeline.0.canvas': (80, 80)},
        'views of 80 pixels are not a multiple of the stride of 32',
    ),
    'stride of PixPro': (
        'mini/pixpro_r18',
        {'train_dataloader.dataset.pipeline.0.views.0.size': 100},
        'views of 100 pixels are not a multiple of the stride of 32 pixels of '
        'the feature map; make them 96 or 128',
    ),
    'stride of PixContrast': (
        'pixcontrast_r50_100e',
        {
            'train_dataloader.dataset.pipeline.0.views.1.size': 200,
            'model.backbone.depth': 18,
            'model.neck.in_channels': 512,
        },
        'views of 200 pixels are not a multiple of the stride of 32',
    ),
    'channels of PixPro': (
        'mini/pixpro_r18',
        {'model.neck.in_channels': 100},
        'expects 100 channels, but the backbone gives 128',
    ),
    'channels of PixContrast': (
        'mini/pixcontrast_r18',
        {'model.neck.in_channels': 100},
        'expects 100 channels, but the backbone gives 128',
    ),
    'channels of Barlow Twins': (
        'mini/barlow_twins_r18',
        {'model.head.in_channels': 100},
        'neck gives 64 channels, the head expects 100',
    ),
    'misspelt model': (
        'mini/pixpro_r18',
        {'model.type': 'PixPo'},
        "unknown model 'PixPo'. Did you mean PixPro",
    ),
    'misspelt option': (
        'mini/pixpro_r18',
        {'+model.treshold': 0.5},
        'the config cannot be built: PixPro.__init__() got an unexpected '
        "keyword argument 'treshold'",
    ),
    'misspelt architecture': (
        'mini/siamese_im_vit_tiny',
        {VIT + 'arch': 'bsae'},
        'Arch bsae is not in default archs',
    ),
    'misspelt norm': (
        'mini/siamese_im_vit_tiny',
        {'model.neck.norm_cfg': dict(type='TokenBNN')},
        'TokenBNN',
    ),
    'misspelt interpolation': (
        'mini/siamese_im_vit_tiny',
        {
            'train_dataloader.dataset.data_root': 'tests',
            'train_dataloader.dataset.extensions': ('.py',),
            'train_dataloader.dataset.pipeline.0.views.0.interpolation': 'cubic',
        },
        "unknown interpolation 'cubic'. Did you mean bicubic",
    ),
    'misspelt form of LEWEL': (
        'mini/lewel_m_r18',
        {'model.base': 'moko'},
        "unknown LEWEL base 'moko'. Did you mean moco",
    ),
}


@pytest.mark.parametrize('case', CASES)
def test_refused_before_the_run(registered, tmp_path, case):
    name, overrides, message = CASES[case]
    config = load_config(name, overrides)
    config.log_level = 'ERROR'
    # images are looked for first: there is one
    Image.new('RGB', (8, 8)).save(tmp_path / 'one.png')
    config.train_dataloader.dataset.data_root = str(tmp_path)
    with pytest.raises(UserError) as stop:
        pretrain(config, tmp_path / 'run')
    assert message in str(stop.value)
    assert not list(tmp_path.rglob('*.pth'))


def test_strides_of_resnets(registered):
    from mmpretrain.models import RegNet, ResNet, ResNet_CIFAR, ResNetV1d

    from ssl_bench.layers.dense_heads import check_stride, total_stride

    assert total_stride(ResNet(18)) == 32
    assert total_stride(ResNet(18, strides=(1, 2, 2, 1))) == 16
    assert total_stride(ResNet(18, out_indices=(0, 2))) == 16
    assert total_stride(ResNetV1d(depth=50)) == 32  # its stem is three layers
    assert total_stride(RegNet('regnetx_400mf')) == 32  # one, of stride 2
    assert total_stride(ResNet_CIFAR(18)) == 8  # one, of stride 1
    assert total_stride(object()) is None
    check_stride(32, [(224, 96)])
    check_stride(32, [(112, 112)], slack=0.5)
    with pytest.raises(UserError, match='224 pixels .* stride of 48'):
        check_stride(48, [(240, 224)])
    with pytest.raises(UserError, match='111 pixels.*make them 96 or 128'):
        check_stride(32, [(111, 128)], slack=0.5)
