# ImageNet-C with a fine-tuned ViT-B/16: mean corruption error over fifteen
# corruptions, each divided by AlexNet's (Hendrycks and Dietterich, ICLR 2019,
# Sec. 4). The images are stored at 224 pixels: they are cropped, not resized.
TASK = dict(
    id='in_c',
    title='ImageNet-C',
    group='robustness',
    order=230,
    toolbox='mmpretrain',
    dataset='imagenet_c',
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
    source='Hendrycks and Dietterich, ICLR 2019, Sec. 4',
    trained_by='in1k_finetune',
)
_base_ = './in_a.py'

test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs', meta_keys=('img_path', 'corruption', 'severity')),
]
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CorruptedFolders',
        data_root='data/imagenet-c',
        corruptions=[
            'gaussian_noise',
            'shot_noise',
            'impulse_noise',
            'defocus_blur',
            'glass_blur',
            'motion_blur',
            'zoom_blur',
            'snow',
            'frost',
            'fog',
            'brightness',
            'contrast',
            'elastic_transform',
            'pixelate',
            'jpeg_compression',
        ],
        severities=[1, 2, 3, 4, 5],
        count=1000,
        pipeline=test_pipeline,
    )
)
test_evaluator = dict(_delete_=True, type='CorruptionError')
