"""What a user sets acts in the network that is transferred, or is refused."""

from typing import Any

import pytest

from ssl_bench.checkpoints.architectures import ViT, describe
from ssl_bench.checkpoints.timm_nets import to_header
from ssl_bench.config_edits import values_at
from ssl_bench.errors import UserError
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.timm_architecture import image_sides
from tests.timm_tiny import TINY

CROP = 'train_dataloader.dataset.pipeline.RandomCrop.crop_size'
SIZE = 'model.data_preprocessor.size'
TRAIN = 'train_dataloader.dataset.pipeline.RandomResizedCrop.scale'
PLAIN = describe(ViT(48, 4, 8, 10, 3, 192))


def plan_of(task: str, name: str, **overrides: Any) -> Any:
    """A plan for one of the tiny networks."""
    options = {key.replace('__', '.'): v for key, v in overrides.items()}
    return make_plan(task, to_header(TINY[name]), overrides=options)


def test_values_of_named_entries():
    config = dict(steps=[dict(type='a.Crop', size=(2, 3)), [dict(type='B')]])
    assert values_at(config, 'steps.Crop.size') == [(2, 3)]
    assert values_at(config, 'steps.*.type') == ['a.Crop', None]
    assert values_at(config, 'steps.B.type') == ['B']
    assert values_at(config, 'steps.C.type') == [None]
    assert values_at(config, 'none.at.all') == [None]


@pytest.mark.parametrize(
    'task, name, key, value, found',
    [
        ('mini_seg_fcn', 'dinov2_reg', CROP, (60, 60), r'it is \(56, 56\)'),
        ('mini_seg_fcn', 'dinov2_reg', SIZE, (64, 64), r'it is \(70, 70\)'),
        (
            'mini_seg_fcn',
            'dinov2_reg',
            'model.decode_head.in_channels',
            5,
            'no effect',
        ),
        (
            'mini_coco_mrcnn_fpn',
            'dinov2_reg',
            'model.neck.num_outs',
            6,
            'no effect',
        ),
        (
            'mini_coco_mrcnn_fpn',
            'dinov2_reg',
            'timm_backbone.out_indices',
            [0],
            'no effect',
        ),
        (
            'mini_coco_mrcnn_fpn',
            'regnet',
            'timm_backbone.norm_eval',
            False,
            'it is True',
        ),
        ('mini_knn', 'regnet', 'probe.vit_pool', 'foo', 'unknown'),
    ],
)
def test_what_a_network_replaces_is_refused(task, name, key, value, found):
    options = {'+' + key if 'timm_backbone' in key else key: value}
    with pytest.raises(UserError, match=found):
        plan_of(task, name, **options)


def test_a_crop_that_the_patches_divide_is_taken():
    plan = plan_of('mini_seg_fcn', 'dinov2_reg', **{CROP: (56, 56)})
    assert values_at(plan.config, CROP) == [(56, 56)]
    window = 'model.test_cfg.crop_size'
    plan = plan_of('mini_seg_upernet', 'dinov2_reg', **{window: (70, 70)})
    assert values_at(plan.config, window) == [(70, 70)]
    assert plan.config.model.data_preprocessor.test_cfg == {'size': (70, 70)}


def test_no_stochastic_depth_is_taken():
    rate = 'model.backbone.drop_path_rate'
    net = plan_of('mini_finetune', 'dinov2_reg', **{rate: 0}).config.model
    assert not net.backbone.get('drop_path_rate')
    for value in -1, 1:
        with pytest.raises(UserError, match='0 or more and below 1'):
            plan_of('mini_finetune', 'dinov2_reg', **{rate: value})


@pytest.mark.parametrize('value', [0, 64, (64,), (0, 64)])
def test_a_crop_has_two_sides(value):
    for name in 'dinov2_reg', 'convnextv2':
        with pytest.raises(UserError, match='a height and a width'):
            plan_of('mini_seg_fcn', name, **{SIZE: value})


@pytest.mark.parametrize('side', [-3, 1.5, True])
def test_windows_have_a_side(side):
    with pytest.raises(UserError, match='1 patch or more'):
        plan_of(
            'mini_coco_vitdet',
            'dinov2_reg',
            **{'timm_backbone.window_size': side},
        )


def test_windows_that_a_network_has_not_name_no_task():
    """The remedy is to leave them out, not another recipe."""
    with pytest.raises(UserError, match='leave it out.$'):
        plan_of(
            'mini_coco_vitdet', 'dinov3', **{'timm_backbone.window_size': 3}
        )


def test_a_plain_vit_without_an_auxiliary_head():
    plan = make_plan(
        'mini_seg_upernet', PLAIN, overrides={'model.auxiliary_head': None}
    )
    assert plan.config.model.auxiliary_head is None
    assert plan.config.model.decode_head.in_channels == [48] * 4


def test_positions_of_training_images_that_are_larger():
    """Fixed positions are resized for them too, and the record says it."""
    plan = plan_of('mini_finetune', 'ijepa', **{TRAIN: 112})
    assert image_sides(plan.config) == [80, 112]
    assert plan.config.model.backbone.positions == 'timm'
    assert any('8x8' in change for change in plan.changes)


def test_training_images_that_patches_do_not_divide(registered):
    from ssl_bench.transfer.checks import check_network
    from ssl_bench.transfer.source import Source

    plan = make_plan('mini_finetune', PLAIN, overrides={TRAIN: 84})
    with pytest.raises(UserError, match='nearest sizes are 80 and 88'):
        check_network(plan, Source(None, None, PLAIN))


@pytest.mark.parametrize(
    'name, words',
    [
        ('regnet', 'the pooled last map, without a norm'),
        ('convnextv2', 'the pooled last map, after the final norm'),
        ('dinov2_reg', 'the mean of the patch tokens, after the final norm'),
    ],
)
def test_a_norm_is_named_where_there_is_one(name, words):
    changes = plan_of('mini_knn', name).changes
    assert any(change.startswith(f'features: {words}') for change in changes)


def test_a_plain_vit_has_its_own_name():
    """Not that of the network of timm's that it is built as."""
    with pytest.raises(UserError, match='vit_d48_l4_patch8 have 48'):
        make_plan('mini_coco_mrcnn_fpn', PLAIN, train='lora:49')


@pytest.mark.parametrize(
    'name, processes, train, said',
    [
        ('regnet', 2, 'full', True),
        ('regnet', 1, 'full', False),
        ('regnet', 2, 'frozen', False),
        ('convnextv2', 2, 'full', False),
    ],
)
def test_norms_that_are_not_synchronised_are_recorded(
    name, processes, train, said
):
    plan = make_plan(
        'mini_seg_fcn', to_header(TINY[name]), processes=processes, train=train
    )
    assert said == any('not synchronised' in text for text in plan.changes)
