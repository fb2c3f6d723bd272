# ImageNet-Sketch with a fine-tuned ViT-B/16: as in_a.py, all 1000 classes.
_base_ = './in_a.py'

test_dataloader = dict(
    dataset=dict(data_root='data/imagenet-sketch', count=1000)
)
# method, metric, published value, tolerance
expected = [
    ('SiameseIM 1600', 'top1', 38.3, 0.5),
    ('MAE 1600', 'top1', 34.5, 0.5),
    ('MoCo v3', 'top1', 35.9, 0.5),
]
