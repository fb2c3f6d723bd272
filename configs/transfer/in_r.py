# ImageNet-R with a fine-tuned ViT-B/16: as in_a.py, another 200 classes.
_base_ = './in_a.py'

test_dataloader = dict(dataset=dict(data_root='data/imagenet-r'))
# method, metric, published value, tolerance
expected = [
    ('SiameseIM 1600', 'top1', 52.5, 0.5),
    ('MAE 1600', 'top1', 48.3, 0.5),
    ('MoCo v3', 'top1', 49.8, 0.5),
]
