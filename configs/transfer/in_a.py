# ImageNet-A with a fine-tuned ViT-B/16, no further training: what
# in1k_finetune left, or --classifier. Top-1 among the 200 classes of the set;
# bicubic, short side 256, centre crop 224, as in fine-tuning.
_base_ = './in1k_finetune.py'

custom_imports = dict(
    imports=[
        'ssl_bench.toolbox.hooks',
        'ssl_bench.toolbox.image_sets',
        'ssl_bench.toolbox.robustness',
    ],
    allow_failed_imports=False,
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ClassFolders',
        data_root='data/imagenet-a',
        count=200,
        pipeline=_base_.test_pipeline,
    )
)
test_evaluator = dict(_delete_=True, type='SubsetAccuracy', topk=(1, 5))
# method, metric, published value, tolerance
expected = [
    ('SiameseIM 1600', 'top1', 43.8, 0.5),
    ('MAE 1600', 'top1', 35.9, 0.5),
    ('MoCo v3', 'top1', 32.4, 0.5),
]
