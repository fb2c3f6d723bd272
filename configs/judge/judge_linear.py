# `ssl-bench judge` on class folders, frozen: a linear layer on cached features
# of images without augmentation. The run names one rate, chosen before.
TASK = dict(
    id='judge_linear',
    title='frozen, linear',
    group='classification',
    order=1000,
    toolbox='probe',
    dataset='imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source="no paper's: ssl-bench judge",
)
_base_ = '../transfer/in1k_linear_cached.py'

probe = dict(vit_pool='class_token', precision='float32', batch_size=64)
train_dataloader = dict(batch_size=64, num_workers=0, persistent_workers=False)
test_dataloader = dict(batch_size=64, num_workers=0, persistent_workers=False)
