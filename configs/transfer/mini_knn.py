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
_base_ = ['./in1k_knn.py', '_base_/mini_images.py', '_base_/mini_imagenet.py']

backbone = dict(depth=18, base_channels=16, stem_channels=16)
image_size = 80  # of the position table, for a ViT
# the embedded ViT's method trains the patch tokens, so their mean is probed
probe = dict(
    vit_pool='patch_mean', precision='float32', neighbours=[5, 20], headline=20
)
train_dataloader = dict(batch_size=80)
edit = {
    'train_dataloader.dataset.pipeline.ResizeEdge.interpolation': 'bilinear',
    'test_dataloader.dataset.pipeline.ResizeEdge.interpolation': 'bilinear',
    'train_dataloader.dataset.pipeline.ResizeEdge.scale': 96,
    'train_dataloader.dataset.pipeline.CenterCrop.crop_size': 80,
}
