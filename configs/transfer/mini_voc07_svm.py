# voc07_svm on the embedded devkit, with the global average and fewer costs.
TASK = dict(
    id='mini_voc07_svm',
    title='Mini VOC linear SVM',
    group='features',
    order=330,
    toolbox='probe',
    dataset='mini_voc',
    metrics={'mAP': dict(tolerance=0.5)},
    shown=['mAP'],
    source='voc07_svm, scaled down',
)
_base_ = ['./voc07_svm.py', '_base_/mini.py']

backbone = dict(depth=18, base_channels=16, stem_channels=16)
image_size = 128  # of the position table, for a ViT
probe = dict(pool='global_average', costs=[1.0, 10.0, 0.0625], max_iter=500)
loader = dict(
    batch_size=60,
    num_workers=0,
    dataset=dict(
        data_root='data/mini/VOCdevkit/VOC2007',
        metainfo=dict(classes=_base_.mini_classes),
    ),
)
train_dataloader = loader
test_dataloader = loader
edit = {
    'train_dataloader.dataset.pipeline.ResizeEdge.scale': 128,
    'train_dataloader.dataset.pipeline.Resize.scale': (128, 128),
    'test_dataloader.dataset.pipeline.ResizeEdge.scale': 128,
    'test_dataloader.dataset.pipeline.Resize.scale': (128, 128),
}
recipes = dict(_delete_=True)  # their crop is for 224 pixels
