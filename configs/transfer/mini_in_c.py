# in_c on the embedded images under six corruptions, with the model of
# mini_finetune.
TASK = dict(
    id='mini_in_c',
    title='Mini ImageNet-C',
    group='robustness',
    order=410,
    toolbox='mmpretrain',
    dataset='mini_imagenet_c',
    metrics={
        'mCE': dict(
            toolkit='mCE',
            highest=1000.0,
            higher_is_better=False,
            tolerance=1.0,
        ),
        '1-mCE': dict(toolkit='1-mCE', lowest=-900.0, tolerance=1.0),
        'top1': dict(toolkit='top1', tolerance=0.5),
    },
    shown=['1-mCE', 'mCE'],
    source='in_c, scaled down',
    trained_by='mini_finetune',
)
_base_ = './mini_finetune.py'
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='CenterCrop', crop_size=80),  # stored at that size
    dict(type='PackInputs', meta_keys=('img_path', 'corruption', 'severity')),
]
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CorruptedFolders',
        data_root='data/mini/imagenet-c',
        corruptions=[
            'gaussian_noise',
            'defocus_blur',
            'brightness',
            'contrast',
            'pixelate',
            'jpeg_compression',
        ],
        severities=[1, 2, 3, 4, 5],
        names=_base_.mini_classes,
        count=8,
        pipeline=test_pipeline,
    )
)
test_evaluator = dict(_delete_=True, type='CorruptionError')
