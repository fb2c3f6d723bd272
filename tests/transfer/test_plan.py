import copy
import re

import pytest
from mmengine.config import Config

from ssl_bench.checkpoints.architectures import ResNet, ViT, describe
from ssl_bench.checkpoints.timm_nets import TimmNet
from ssl_bench.config import config_dir, load_config, rebase
from ssl_bench.errors import UserError
from ssl_bench.transfer.architecture import set_architecture
from ssl_bench.transfer.plan import Plan, fit_batch, make_plan
from ssl_bench.transfer.recipes import apply_recipe
from ssl_bench.transfer.settings_table import settings_table
from ssl_bench.transfer.source import parse_arch


def test_rebase_replaces_only_the_start():
    value = dict(
        a='data/coco/x.json', b=['data', 'database/y'], c=dict(d='my/data/z')
    )
    assert rebase(value, 'data', '/mnt/d/') == dict(
        a='/mnt/d/coco/x.json',
        b=['/mnt/d', 'database/y'],
        c=dict(d='my/data/z'),
    )


def test_data_root_reaches_loaders_and_evaluator():
    plan = make_plan('mini_coco_mrcnn_fpn', data_root='/elsewhere')
    config = plan.config
    assert config.train_dataloader.dataset.data_root == '/elsewhere/coco/'
    assert (
        config.test_evaluator.ann_file
        == '/elsewhere/coco/annotations/instances_val2017.json'
    )
    assert plan.config_sha256 == make_plan('mini_coco_mrcnn_fpn').config_sha256


def test_identity_follows_settings_and_architecture():
    base = make_plan('mini_knn')
    other = make_plan('mini_knn', overrides={'probe.headline': 5})
    wide = make_plan('mini_knn', describe(parse_arch('resnet18-w32')))
    assert base.config_sha256 != other.config_sha256
    assert base.config_sha256 == wide.config_sha256
    assert base.identity != wide.identity
    assert (base.arch, wide.arch) == ('resnet18-w16', 'resnet18-w32')


@pytest.mark.parametrize('task', ['mini_knn', 'mini_coco_mrcnn_fpn'])
def test_identity_is_the_same_on_every_machine(task):
    """A login node plans what eight devices run: one id."""
    here = make_plan(task)
    there = make_plan(task, None, '/scratch', processes=8, accelerator=True)
    assert here.identity == there.identity


def batch_plan():
    return Plan(
        'x',
        Config(
            dict(
                auto_scale_lr=dict(base_batch_size=16),
                train_dataloader=dict(batch_size=2),
                optim_wrapper=dict(optimizer=dict(lr=0.02)),
                train_cfg=dict(max_iters=100, val_interval=100),
                param_scheduler=[
                    dict(type='LinearLR', by_epoch=False, begin=0, end=11),
                    dict(
                        type='MultiStepLR',
                        by_epoch=False,
                        milestones=[60, 90],
                        begin=0,
                        end=100,
                    ),
                ],
            )
        ),
        '',
    )


def test_protocol_batch_changes_nothing():
    plan = batch_plan()
    fit_batch(plan, 8)
    assert plan.changes == []
    assert plan.config.to_dict() == batch_plan().config.to_dict()


def test_a_divisor_accumulates_gradients():
    plan = batch_plan()
    fit_batch(plan, 2)
    assert plan.config.optim_wrapper.accumulative_counts == 4
    assert plan.config.optim_wrapper.optimizer.lr == 0.02
    assert plan.config.train_cfg.max_iters == 400
    # schedules count updates
    assert plan.config.param_scheduler == batch_plan().config.param_scheduler
    assert 'accumulated' in plan.changes[0]


def test_precise_bn_reads_as_many_images_with_accumulated_batches():
    """3200 images: 200 x 16, 1600 x 2, or 534 x 6."""
    for processes, batches in ((8, 200), (1, 1600), (3, 534)):
        plan = batch_plan()
        plan.config.custom_hooks = [
            dict(type='TrainingPreciseBNHook', num_iters=200)
        ]
        fit_batch(plan, processes)
        assert plan.config.custom_hooks[0].num_iters == batches


def test_checkpoints_are_written_between_updates():
    plan = batch_plan()
    plan.config.default_hooks = dict(
        checkpoint=dict(by_epoch=False, interval=30)
    )
    fit_batch(plan, 2)
    assert plan.config.default_hooks.checkpoint.interval == 120


def test_given_accumulation_counts():
    plan = batch_plan_with(4)
    fit_batch(plan, 2)
    assert plan.changes == [] and plan.config.train_cfg.max_iters == 400
    batch = batch_plan_with(4)
    fit_batch(batch, 4)
    assert batch.config.optim_wrapper.optimizer.lr == 0.04
    assert batch.config.train_cfg.max_iters == 200  # 50 updates of 32
    assert batch.config.param_scheduler[1].milestones == [30, 45]


def batch_plan_with(counts):
    """`batch_plan` with accumulation that the user asks for."""
    plan = batch_plan()
    plan.config.optim_wrapper.accumulative_counts = counts
    return plan


def test_more_processes_get_fewer_images():
    plan = batch_plan()
    fit_batch(plan, 16)
    assert plan.config.train_dataloader.batch_size == 1
    assert plan.config.train_cfg.max_iters == 100
    assert plan.config.optim_wrapper.optimizer.lr == 0.02
    assert plan.changes == ['1 images per process, for a batch of 16']


def test_another_batch_scales_the_rate():
    plan = batch_plan()
    fit_batch(plan, 3)
    assert 'accumulative_counts' not in plan.config.optim_wrapper
    assert plan.config.optim_wrapper.optimizer.lr == pytest.approx(
        0.02 * 6 / 16
    )
    assert plan.config.train_cfg.max_iters == 267  # 100 * 16 / 6, up
    assert plan.config.param_scheduler[1].milestones == [160, 240]
    assert 'learning rate scaled' in plan.changes[0]


def test_sync_bn_between_cpu_processes():
    plan = make_plan('mini_seg_fcn', processes=2)
    assert plan.config.model.backbone.norm_cfg.type == 'mmengine.GlobalBN'
    assert plan.config.model.decode_head.norm_cfg.type == 'mmengine.GlobalBN'
    assert any('GlobalBN' in change for change in plan.changes)
    accelerated = make_plan('mini_seg_fcn', processes=2, accelerator=True)
    assert accelerated.config.model.backbone.norm_cfg.type == 'SyncBN'


def test_bottleneck_widths():
    config = make_plan('mini_voc_det_c4').config
    set_architecture(config, describe(ResNet(50)))
    model = config.model
    assert model.rpn_head.in_channels == 1024
    assert model.roi_head.bbox_head.in_channels == 2048
    assert model.roi_head.shared_head.depth == 50
    with pytest.raises(UserError, match='residual networks only'):
        set_architecture(config, describe(ViT(192, 12, 16, 14, 3, 768)))


def test_recipes():
    plain = make_plan('voc0712_det_c4', processes=8)
    barlow = make_plan('voc0712_det_c4', recipe='barlowtwins', processes=8)
    assert 'recipes' not in plain.config
    assert plain.config.optim_wrapper.optimizer.lr == 0.02
    assert barlow.config.optim_wrapper.optimizer.lr == 0.1
    warm_up = barlow.config.param_scheduler[0]
    assert (warm_up.start_factor, warm_up.end) == (0.333, 1001)
    assert plain.config_sha256 != barlow.config_sha256
    with pytest.raises(UserError, match='mean barlowtwins'):
        make_plan('voc0712_det_c4', recipe='barlow')


def files():
    return sorted(path.stem for path in config_dir().glob('transfer/*.py'))


@pytest.mark.parametrize('task', files())
def test_every_recipe_changes_what_is_there(task):
    config = load_config(f'transfer/{task}')
    before = copy.deepcopy(config.to_dict())
    for recipe in config.get('recipes', {}):
        changed = copy.deepcopy(config)
        apply_recipe(changed, task, recipe)
        assert changed.pop('recipe') == recipe
        after = changed.to_dict()
        assert after != {k: v for k, v in before.items() if k != 'recipes'}
    assert config.to_dict() == before


def test_a_recipe_makes_no_key_above_its_own():
    config = Config(dict(recipes=dict(a={'optim.optimizer.lr': 1.0})))
    with pytest.raises(UserError, match="t cannot take .*config 'optim'"):
        apply_recipe(config, 't', 'a')


@pytest.mark.parametrize(
    'task',
    [
        'mini_finetune',
        'mini_in_a',
        'mini_in_c',
        'mini_in_r',
        'mini_in_sketch',
        'mini_inat_linear',
        'mini_places_linear',
        'mini_seg_fcn',
        'mini_semi10',
    ],
)
def test_mini_tasks_do_not_offer_recipes_that_cannot_serve_them(task):
    assert not load_config(f'transfer/{task}').get('recipes')


VIT = describe(ViT(192, 12, 16, 14, 3, 768))


@pytest.mark.parametrize(
    'task, recipe, arch, message',
    [
        (
            'in1k_linear',
            'pixpro',
            VIT,
            'a plain residual network, got .*'
            'in1k_linear takes it with --recipe mae, mocov3_vit, siamese_im.$',
        ),
        (
            'in1k_linear',
            'mae',
            describe(ResNet(50)),
            'a vision transformer, got .* in1k_linear takes it without '
            '--recipe, or with --recipe mocov3, pixpro, barlowtwins, lewel, '
            'simsiam.$',
        ),
        ('voc0712_det_c4', None, VIT, 'takes it is coco_mrcnn_fpn_1x'),
    ],
)
def test_another_backbone_is_told_its_recipes(task, recipe, arch, message):
    with pytest.raises(UserError, match=message):
        make_plan(task, arch, recipe=recipe)


def test_which_tokens_of_a_vit_are_probed():
    plan = make_plan('in1k_knn', VIT)
    assert plan.changes == ['features: class token']
    assert plan.config.backbone.out_type == 'cls_token'
    assert plan.config.probe.pool == 'class_token'
    without = make_plan('in1k_knn', dict(VIT, cls_token=False))
    assert without.changes == [
        'features: mean of the patch tokens; there is no class token'
    ]
    assert without.config.backbone.out_type == 'featmap'
    assert without.config.probe.pool == 'global_average'
    with pytest.raises(UserError, match="vit_pool 'cls'"):
        make_plan('in1k_knn', VIT, overrides={'probe.vit_pool': 'cls'})


def test_ten_per_cent_of_labels_have_no_rates_of_one_per_cent():
    """The task's own settings are LEWEL's for 10 %."""
    with pytest.raises(UserError, match="'lewel'. Known: barlowtwins, openm"):
        make_plan('in1k_semi10', recipe='lewel')
    config = make_plan('in1k_semi10', recipe='openmmlab').config
    optim = config.optim_wrapper
    assert optim.optimizer.lr == 0.01
    assert optim.optimizer.weight_decay == 5e-4
    assert optim.paramwise_cfg.custom_keys.head.lr_mult == 10.0
    assert config.train_cfg.max_epochs == 20
    assert [row.milestones for row in config.param_scheduler] == [[12, 16]]


@pytest.mark.parametrize(
    'key, message',
    [
        (
            'test_pipeline.9.scale',
            'mini_knn cannot take .* no test_pipeline.9',
        ),
        (
            'test_dataloader.dataset.pipeline.CentreCrop.crop_size',
            'Did you mean CenterCrop',
        ),
    ],
)
def test_options_that_point_nowhere(key, message):
    with pytest.raises(UserError, match=message):
        make_plan('mini_knn', overrides={key: 3})


def test_options_name_steps():
    key = 'test_dataloader.dataset.pipeline.CenterCrop.crop_size'
    config = make_plan('mini_knn', overrides={key: 64}).config
    sizes = [
        step.get('crop_size')
        for step in config.test_dataloader.dataset.pipeline
    ]
    assert [size for size in sizes if size] == [64]


def test_dry_run_table_names_the_protocol():
    plan = make_plan('mini_knn', overrides={'probe.headline': 5})
    text = settings_table(plan, make_plan('mini_knn'))
    assert '5  [protocol: 20]' in text
    assert 'data/mini/imagenet/train' in text


def test_dry_run_table_has_the_maps_of_a_frozen_task():
    options = {'model.maps.final_norm': False}
    text = settings_table(
        make_plan('mini_linseg', overrides=options), make_plan('mini_linseg')
    )
    assert re.search(
        r'model\.maps\.final_norm +False  \[protocol: True\]', text
    )
    assert 'checkpoint_choice.best' in text


def test_random_architectures():
    assert parse_arch('r50') == ResNet(50)
    assert parse_arch('resnet18-w16').name == 'resnet18-w16'
    assert parse_arch('vitb16').name == 'vit_base_patch16'
    assert parse_arch('vit_d96_l4_h3_patch8') == ViT(96, 4, 8, None, 3, 384)
    with pytest.raises(UserError, match='5 heads do not divide .* 96'):
        parse_arch('vit_d96_l4_h5_patch8')
    with pytest.raises(UserError, match='vvg1'):
        parse_arch('vvg1')
    for name in ('resnet19', 'beit_base_patch16', 'vit_vast_patch16'):
        with pytest.raises(UserError, match='resnet18-w16'):
            parse_arch(name)


def test_random_networks_of_timm():
    assert parse_arch('convnextv2_atto') == TimmNet(
        'convnextv2_atto', positions='none', pool='pooled_map'
    )
    eva = parse_arch('eva02_tiny_patch14_224')
    assert eva.kwargs == {'global_pool': 'token'}  # the norm before pooling
    assert eva.pool == 'class_token' and eva.positions == 'timm'
    assert eva.mean == (0.48145466, 0.4578275, 0.40821073)
    with pytest.raises(UserError, match='near: convnextv2_atto'):
        parse_arch('convnextv2_atoo')


def test_a_random_vit_is_probed():
    plan = make_plan('mini_knn', describe(parse_arch('vit_d96_l4_h3_patch8')))
    assert plan.arch == 'vit_d96_l4_patch8'
    assert plan.config.backbone.arch.num_heads == 3


def test_an_option_that_the_backbone_replaces_is_refused(source):
    with pytest.raises(UserError, match='depth=19 has no effect'):
        make_plan(
            'mini_knn', source.arch_args, overrides={'backbone.depth': 19}
        )
    plan = make_plan(
        'mini_seg_fcn',
        source.arch_args,
        overrides={'model.backbone.strides': [1, 2, 1, 1]},
    )
    assert list(plan.config.model.backbone.strides) == [1, 2, 1, 1]
