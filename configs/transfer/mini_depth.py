# nyu_depth_lin4_dinov2 on the embedded frames of 120 x 160 pixels: few
# iterations, crops and bins.
TASK = dict(
    id='mini_depth',
    title='Mini linear depth',
    group='depth',
    order=297,
    toolbox='mmseg',
    dataset='mini_depth',
    metrics='nyu_depth_lin1_dinov2',
    shown=['RMSE'],
    source='nyu_depth_lin4_dinov2, scaled down',
)
_base_ = './nyu_depth_lin4_dinov2.py'

crop = (96, 128)
model = dict(
    data_preprocessor=dict(size=crop),
    backbone=dict(depth=18, base_channels=16, stem_channels=16),
    decode_head=dict(bins=64),
    loss_depth=dict(warmup=20),
)
iterations = 150
optim_wrapper = dict(optimizer=dict(lr=1e-2))
train_cfg = dict(max_iters=iterations, val_interval=iterations)
default_hooks = dict(checkpoint=dict(interval=iterations))
checkpoint_choice = dict(every=50)
auto_scale_lr = dict(base_batch_size=4)
edit = {
    'param_scheduler.OfficialRate': dict(warmup=50, end=iterations),
    'param_scheduler.OfficialMomentum': dict(warmup=50, end=iterations),
    'train_dataloader.batch_size': 4,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.dataset.data_root': 'data/mini/nyu',
    'train_dataloader.dataset.pipeline.RandomCrop.crop_size': crop,
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
    'test_dataloader.dataset.data_root': 'data/mini/nyu',
}
