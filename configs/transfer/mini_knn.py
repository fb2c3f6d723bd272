# in1k_knn on the embedded image folder, where a class has 100 images.
TASK = dict(
    id='mini_knn',
    title='Mini kNN',
    group='features',
    order=310,
    toolbox='probe',
    dataset='mini_imagenet',
    metrics={'top1': dict(tolerance=0.5)},
    shown=['top1'],
    source='in1k_knn, scaled down',
)
_base_ = ['./in1k_knn.py']

backbone = dict(depth=18, base_channels=16, stem_channels=16)
image_size = 80  # of the position table, for a ViT
probe = dict(neighbours=[5, 20], headline=20)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=96)
test_pipeline[2].update(crop_size=80)
mini_set = dict(_delete_=True, type='CustomDataset', pipeline=test_pipeline)
train_dataloader = dict(
    batch_size=80,
    num_workers=0,
    dataset=dict(data_root='data/mini/imagenet/train', **mini_set),
)
test_dataloader = dict(
    batch_size=80,
    num_workers=0,
    dataset=dict(data_root='data/mini/imagenet/val', **mini_set),
)
