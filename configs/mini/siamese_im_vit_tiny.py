# SiameseIM on the embedded images: 64 pixel views of 8 pixel patches, a ViT
# of 4 blocks and 96 channels. For CPUs and minutes, not for numbers.
_base_ = [
    '../siamese_im_vitb16_1600e.py',
    '../_base_/datasets/mini_imagenet.py',
]

epochs = 20

model = dict(
    backbone=dict(
        _delete_=True,
        type='SincosViT',
        arch=dict(
            embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384
        ),
        img_size=64,
        patch_size=8,
    ),
    neck=dict(channels=96, depth=1, num_heads=4),
    head=dict(depth=2, num_heads=4),
    num_masked=39,  # 60 % of 64, as the paper's 118 of 196
    momentum=0.98,  # paper: 0.995, of 500 000 steps; here: 500
)

train_dataloader = dict(batch_size=32)
edit = {
    'train_dataloader.dataset.pipeline.MakeViews.views.*': dict(
        size=64,
        # blur in proportion to the view's 64 of 224 pixels
        photometric=dict(RandomGaussianBlur=dict(sigma=(0.1, 0.6))),
    ),
    'train_dataloader.dataset.pipeline.AddBlockMask': dict(
        size=64, patch_size=8
    ),
}

optim_wrapper = dict(type='OptimWrapper', optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(
        type='WarmupCosineLR', warmup=2, end=epochs, convert_to_iter_based=True
    )
]
train_cfg = dict(max_epochs=epochs)
auto_scale_lr = dict(base_batch_size=32)
