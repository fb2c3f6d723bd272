"""A pretraining small enough for a test."""

import pytest
from mmengine.config import Config


@pytest.fixture
def config(image_folder):
    """MoCo v2 on twelve images, three iterations an epoch, two epochs."""
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(
                type='MoCo',
                queue_len=8,
                feat_dim=8,
                momentum=0.01,
                backbone=dict(
                    type='ResNet', depth=18, base_channels=4, stem_channels=4
                ),
                neck=dict(
                    type='MoCoV2Neck',
                    in_channels=32,
                    hid_channels=8,
                    out_channels=8,
                ),
                head=dict(
                    type='ContrastiveHead',
                    temperature=0.2,
                    loss=dict(type='CrossEntropyLoss'),
                ),
                data_preprocessor=dict(
                    type='SelfSupDataPreprocessor',
                    mean=[120.0] * 3,
                    std=[60.0] * 3,
                ),
            ),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                sampler=dict(type='StreamSampler', shuffle=True),
                collate_fn=dict(type='default_collate'),
                dataset=dict(
                    type='PretrainDataset',
                    data_root=str(image_folder),
                    pipeline=[
                        dict(
                            type='MakeViews', views=[dict(size=32, repeat=2)]
                        ),
                        dict(type='PackViews'),
                    ],
                ),
            ),
            optim_wrapper=dict(
                type='OptimWrapper',
                optimizer=dict(type='SGD', lr=0.1, momentum=0.9),
            ),
            param_scheduler=[dict(type='CosineAnnealingLR', T_max=2)],
            train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2),
            default_hooks=dict(
                logger=dict(type='LoggerHook', interval=1),
                checkpoint=dict(type='CheckpointHook', interval=1),
                sampler_seed=dict(type='DistSamplerSeedHook'),
            ),
            env_cfg=dict(mp_cfg=dict(mp_start_method='fork')),
            randomness=dict(seed=0),
            log_level='WARNING',
            auto_scale_lr=dict(base_batch_size=4),
        )
    )
