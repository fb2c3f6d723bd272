"""timm's networks in the tasks on single images and in segmentation."""

import copy
import json
from dataclasses import replace

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope

from ssl_bench.checkpoints import Backbone
from ssl_bench.checkpoints.architectures import ViT, describe, recognise
from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
from ssl_bench.errors import UserError
from ssl_bench.toolbox.timm_backbone import TimmBackbone
from ssl_bench.transfer.extraction import cache_keys
from ssl_bench.transfer.frozen import build_frozen
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.timm_segmentation import nearest_size
from ssl_bench.transfer.weights import hold_positions, load_backbone
from ssl_bench.transfer.wrong_backbone import WrongBackbone
from tests.timm_tiny import TINY, source_of, values_of

IMAGE_TASKS = (
    'in1k_finetune',
    'in1k_semi1',
    'in1k_linear',
    'in1k_linear_cached',
    'in1k_knn',
    'in1k_fewshot1',
    'inat18_linear',
    'places205_linear',
    'voc07_svm',
    'in_c',
)
SEG_TASKS = (
    'voc12aug_fcn',
    'cityscapes_fcn',
    'ade20k_upernet_vitb',
    'mini_seg_fcn',
    'mini_seg_upernet',
)
SHORT = {
    'train_cfg.max_iters': 2,
    'train_dataloader.batch_size': 2,
    'auto_scale_lr.base_batch_size': 2,
}
EPOCH = {
    'train_cfg.max_epochs': 1,
    'train_dataloader.batch_size': 20,
    'auto_scale_lr.base_batch_size': 20,
}


def plan_of(task: str, net: TimmNet | str, **more):
    net = TINY[net] if isinstance(net, str) else net
    return make_plan(task, to_header(net), **more)


@pytest.mark.parametrize('name', TINY)
@pytest.mark.parametrize('task', IMAGE_TASKS + SEG_TASKS)
def test_every_task_takes_every_kind(task, name):
    plan = plan_of(task, name)
    model = plan.config.get('model', plan.config)
    assert model.backbone.type == 'TimmBackbone'
    assert plan.arch == TINY[name].name
    assert json.loads(json.dumps(model.backbone.net)) == json.loads(
        json.dumps(to_header(TINY[name]))
    )


@pytest.mark.parametrize('name', ['dinov2_reg', 'convnextv2', 'xcit'])
@pytest.mark.parametrize('task', ['mini_seg_fcn', 'mini_seg_upernet'])
def test_segmenters_have_the_right_widths(registered, task, name):
    """Built, loaded, and run on images of another size."""
    from mmseg.registry import MODELS
    from mmseg.structures import SegDataSample

    config = plan_of(task, name).config
    model = MODELS.build(config.model)
    load_backbone(model, source_of(TINY[name]))
    for key, value in values_of(TINY[name]).items():
        assert torch.equal(model.backbone.net.state_dict()[key], value)
    sample = SegDataSample(
        metainfo=dict(img_shape=(75, 109), ori_shape=(75, 109))
    )
    images = torch.randint(0, 255, (3, 75, 109), dtype=torch.uint8)
    model.eval()
    with torch.no_grad():
        (found,) = model.test_step(
            dict(inputs=[images], data_samples=[sample])
        )
    assert found.pred_sem_seg.data.shape == (1, 75, 109)


def test_maps_of_segmenters():
    vit = TimmNet('vit_small_patch14_dinov2', positions='dino')
    model = plan_of('ade20k_upernet_vitb', vit).config.model
    assert model.backbone.out_indices == [3, 5, 7, 11]
    assert model.neck.embed_dim == 384
    assert model.decode_head.in_channels == [384] * 4
    assert model.auxiliary_head.in_channels == 384
    model = plan_of('voc12aug_fcn', vit).config.model
    assert model.backbone.out_indices == [7, 11]
    assert (model.decode_head.in_index, model.auxiliary_head.in_index) == (
        1,
        0,
    )
    net = TimmNet('convnextv2_tiny', pool='pooled_map')
    model = plan_of('ade20k_upernet_vitb', net).config.model
    assert model.backbone.out_indices == [0, 1, 2, 3] and 'neck' not in model
    assert model.decode_head.in_channels == [96, 192, 384, 768]
    assert model.auxiliary_head.in_channels == 384
    model = plan_of('voc12aug_fcn', net).config.model
    assert model.decode_head.in_channels == 768
    assert model.auxiliary_head.in_channels == 384


def test_sizes_of_crops():
    """Crops, padding and windows are multiples of the patch."""
    assert [nearest_size(512, side) for side in (14, 16, 32)] == [
        518,
        512,
        512,
    ]
    assert [nearest_size(769, side) for side in (14, 16, 32)] == [
        770,
        768,
        768,
    ]
    plan = plan_of('cityscapes_fcn', 'dinov2_reg')
    config = plan.config
    pipeline = {
        step.type: step for step in config.train_dataloader.dataset.pipeline
    }
    assert pipeline['RandomCrop'].crop_size == (770, 770)
    assert config.model.data_preprocessor.size == (770, 770)
    assert config.model.test_cfg.crop_size == (770, 770)
    assert any('770x770 instead of 769x769' in c for c in plan.changes)
    config = plan_of('voc12aug_fcn', 'dinov2_reg').config
    for part in config.train_dataloader.dataset.datasets:
        pipeline = {step.type: step for step in part.pipeline}
        assert pipeline['RandomCrop'].crop_size == (518, 518)
        assert pipeline['Pad'].size == (518, 518)
    assert config.model.data_preprocessor.test_cfg == dict(size_divisor=14)
    config = plan_of('voc12aug_fcn', 'xcit').config  # rounds up itself
    assert config.model.data_preprocessor.size == (512, 512)


def test_padded_images_and_logits_lie_on_each_other(registered):
    """A mark at the border of an image that no patch divides stays there."""
    from mmseg.registry import MODELS
    from mmseg.structures import SegDataSample

    net = TINY['dinov2_reg']
    config = plan_of('mini_seg_fcn', net).config
    model = MODELS.build(config.model).eval()
    seen = {}

    def head(maps, metas, test_cfg):
        seen['maps'] = maps[1].shape
        seen['pad'] = metas[0]['img_padding_size']
        height, width = (14 * side for side in maps[1].shape[2:])
        logits = torch.zeros(1, 9, height, width)
        logits[:, 1, :75, :109] = 1  # where the image was
        return logits

    model.decode_head.predict = head
    sample = SegDataSample(
        metainfo=dict(img_shape=(75, 109), ori_shape=(75, 109))
    )
    images = torch.zeros(3, 75, 109, dtype=torch.uint8)
    with torch.no_grad():
        (found,) = model.test_step(
            dict(inputs=[images], data_samples=[sample])
        )
    assert seen['maps'][2:] == (6, 8) and list(seen['pad']) == [0, 3, 0, 9]
    assert (found.pred_sem_seg.data == 1).all()


def test_pixels_are_those_of_pretraining():
    net = replace(TINY['eva02'], mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    mean, std = [127.5, 102.0, 76.5], [51.0, 76.5, 102.0]
    plan = plan_of('mini_seg_upernet', net)
    pixels = plan.config.model.data_preprocessor
    assert (pixels.mean, pixels.std, pixels.bgr_to_rgb) == (mean, std, True)
    assert f'pixels as in pretraining: RGB, mean {mean}, std {std}' in (
        plan.changes
    )
    for task in ('in1k_finetune', 'in1k_knn'):
        plan = plan_of(task, net)
        pixels = plan.config.data_preprocessor
        assert (pixels.mean, pixels.std, pixels.to_rgb) == (mean, std, True)
    steps = {
        step.type: step
        for step in plan_of(
            'in1k_finetune', net
        ).config.train_dataloader.dataset.pipeline
    }
    assert steps['RandomErasing'].fill_color == mean[::-1]
    assert steps['RandAugment'].hparams.pad_val == [76, 102, 128]
    assert not any('pixels' in c for c in plan_of('in1k_knn', 'dino').changes)


def test_features_of_classifiers():
    def of(task, name, **more):
        plan = plan_of(task, name, **more)
        net = plan.config.model.backbone
        return net.output, net.norm, net.fresh_norm, net.frozen, plan.changes

    *found, notes = of('in1k_finetune', 'dinov2_reg')
    assert found == ['patch_mean', False, True, False]  # MAE's recipe
    assert (
        'features: the mean of the patch tokens, through a new layer norm'
        in notes
    )
    *found, _ = of('in1k_linear', 'dinov2_reg')
    assert found == ['class_token', True, False, True]  # the authors' own
    *found, _ = of('in1k_linear', 'ijepa', recipe='mocov3_vit')
    assert found == ['patch_mean', True, False, True]
    *found, _ = of('in1k_finetune', 'convnextv2')
    assert found == ['pooled_map', True, False, False]
    without = replace(TINY['convnextv2'], final_norm=False)
    *found, _ = of('in1k_finetune', without)
    assert found == ['pooled_map', True, True, False]


def test_features_of_probes():
    def of(task, name, **more):
        config = plan_of(task, name, **more).config
        return config.backbone.output, config.backbone.norm, config.probe.pool

    assert of('in1k_knn', 'dinov2_reg') == ('class_token', True, 'class_token')
    assert of('in1k_fewshot1', 'dino') == ('class_token', False, 'class_token')
    assert of('voc07_svm', 'dino') == ('patch_mean', True, 'class_token')
    assert of('voc07_svm', 'regnet') == ('maps', True, 'corner_average')
    assert of('in1k_knn', 'swin') == ('pooled_map', True, 'class_token')
    plan = plan_of('in1k_knn', 'ijepa')
    assert plan.config.backbone.output == 'patch_mean'
    assert any('there is no class token' in note for note in plan.changes)


def test_windows_of_a_map_are_for_a_map_of_seven():
    plan = plan_of('inat18_linear', 'regnet')
    assert plan.config.model.neck.window == 6
    assert plan.config.model.neck.channels == 368
    assert plan.config.model.head.in_channels == 4 * 368
    plan = plan_of('inat18_linear', 'dino')
    assert plan.config.model.neck.window is None
    assert plan.config.model.head.in_channels == 32


def test_positions_that_nobody_defines_are_recorded():
    fitting = replace(
        TINY['ijepa'], kwargs=dict(TINY['ijepa'].kwargs, img_size=224)
    )
    plan = plan_of('in1k_knn', fitting)
    assert 'positions' not in plan.config.backbone
    for task in ('in1k_knn', 'mini_seg_fcn', 'in1k_finetune'):
        plan = plan_of(task, 'ijepa')
        model = plan.config.get('model', plan.config)
        assert model.backbone.positions == 'timm'
        assert any('4x4 patches only' in note for note in plan.changes)


def test_windows_of_swin_are_recorded():
    def notes(task):
        return [c for c in plan_of(task, 'swin').changes if 'windows' in c]

    assert not notes('in1k_knn')  # 224 pixels: whole windows
    (note,) = notes('voc12aug_fcn')
    assert 'multiples of 224 pixels' in note


@pytest.mark.parametrize(
    ('task', 'patch', 'wrapped'),
    [
        ('mini_seg_fcn', 8, True),
        ('mini_seg_upernet', 14, True),
        ('mini_seg_upernet', 8, False),
    ],
)
def test_plain_vits_in_segmenters_for_other_networks(
    registered, task, patch, wrapped
):
    """timm's names and wrapper; where mmseg's own fits, it stays."""
    from mmseg.registry import MODELS

    net = TimmNet(
        'vit_tiny_patch16_224',
        dict(
            embed_dim=32, depth=4, num_heads=2, patch_size=patch, img_size=56
        ),
    )
    values = values_of(net)
    vit = recognise(values)
    assert isinstance(vit, ViT)
    args = describe(replace(vit, heads=2))
    backbone = Backbone(values, {}, {}, {'arch': vit.name, 'arch_args': args})
    plan = make_plan(task, args)
    assert plan.arch == f'vit_d32_l4_patch{patch}'
    model = MODELS.build(plan.config.model).eval()
    assert (type(model.backbone) is TimmBackbone) == wrapped
    load_backbone(model, Source(backbone, vit.name, args))
    if wrapped:
        images = torch.randn(1, 3, 56, 56)
        expected = net.build().eval()
        expected.load_state_dict(values)
        with torch.no_grad():
            found = model.backbone(images)[-1]
            (last,) = expected.forward_intermediates(
                images, indices=[3], norm=True, intermediates_only=True
            )
        torch.testing.assert_close(found, last, atol=1e-5, rtol=0)


def test_what_a_user_says_of_any_backbone():
    plan = plan_of(
        'mini_seg_upernet',
        'dino',
        overrides={
            'model.backbone.drop_path_rate': 0.3,
            '+model.backbone.with_cp': True,
        },
    )
    net = plan.config.model.backbone
    assert (net.drop_path_rate, net.with_cp) == (0.3, True)


def test_a_recipe_of_a_residual_network_is_refused():
    with pytest.raises(WrongBackbone, match='takes it without --recipe'):
        plan_of('voc12aug_fcn', 'convnextv2', recipe='moco')


def test_options_that_the_network_decides_are_refused():
    with pytest.raises(UserError, match='depth=34 has no effect'):
        plan_of('mini_seg_fcn', 'dino', overrides={'model.backbone.depth': 34})


@pytest.mark.parametrize('name', ['dinov2_reg', 'convnextv2'])
def test_rates_fall_towards_the_input(registered, name):
    """In the recipes of both toolkits; vectors have no weight decay."""
    from mmpretrain.registry import MODELS as CLASSIFICATION
    from mmseg.registry import MODELS as SEGMENTATION

    last = {'dinov2_reg': 3, 'convnextv2': 5}[name]
    for task, registry in (
        ('mini_seg_upernet', SEGMENTATION),
        ('mini_finetune', CLASSIFICATION),
    ):
        config = plan_of(task, name).config
        model = registry.build(config.model)
        wrapper = {
            key: value
            for key, value in config.optim_wrapper.items()
            if key != '_scope_'
        }
        scope = registry.scope
        with DefaultScope.overwrite_default_scope(scope):
            found = build_optim_wrapper(model, wrapper)
        base = config.optim_wrapper.optimizer.lr
        layers = model.backbone.layers()
        names = {id(p): n for n, p in model.named_parameters()}
        seen = set()
        for group in found.optimizer.param_groups:
            (parameter,) = group['params']
            full = names[id(parameter)]
            own = full.removeprefix('backbone.net.')
            layer = layers[own] if own != full else last
            if not parameter.requires_grad:
                continue  # it has no place in what is used
            assert group['lr'] == pytest.approx(base * 0.65 ** (last - layer))
            vector = parameter.ndim == 1 or own in (
                'pos_embed',
                'cls_token',
                'reg_token',
            )
            assert group['weight_decay'] == (0 if vector else 0.05), full
            seen.add(layer)
        assert seen == set(range(last + 1))


def test_a_fixed_table_is_held(registered):
    from mmpretrain.registry import MODELS

    for name in ('dino', 'xcit'):  # with a table; with none
        config = plan_of('mini_finetune', name).config
        model = MODELS.build(config.model)
        hold_positions(model, config)
        if name == 'dino':
            assert not model.backbone.net.pos_embed.requires_grad
        assert model.backbone.net.patch_embed is not None


@pytest.mark.parametrize('name', ['dinov3', 'regnet'])
def test_one_tensor_less_is_refused(name):
    model = torch.nn.Module()
    model.backbone = TimmBackbone(to_header(TINY[name]))
    for change in ('less', 'more', 'other'):
        source = source_of(TINY[name])
        first = next(n for n in source.backbone.state if n.endswith('weight'))
        if change == 'less':
            del source.backbone.state[first]
        elif change == 'more':
            source.backbone.state['head.weight'] = torch.zeros(3)
        else:
            source.backbone.state[first] = torch.zeros(3)
        with pytest.raises(UserError, match='does not fit'):
            load_backbone(model, source)
    load_backbone(model, source_of(TINY[name]))


def test_a_norm_that_the_file_lacks(registered):
    net = replace(TINY['convnextv2'], final_norm=False)
    source = source_of(TINY['convnextv2'])
    source.backbone.meta['arch_args'] = to_header(net)
    for name in ('head.norm.weight', 'head.norm.bias'):
        del source.backbone.state[name]
    model = torch.nn.Module()
    model.backbone = TimmBackbone(to_header(net))
    load_backbone(model, source)
    del source.backbone.state['stem.0.weight']
    with pytest.raises(UserError, match='stem.0.weight'):
        load_backbone(model, source)


def test_cached_features_belong_to_a_network(registered, mini_root):
    """Equal tensors with other heads give other features."""
    net = TINY['dinov2_reg']
    other = replace(net, kwargs=dict(net.kwargs, num_heads=4))
    keys = []
    for each in (net, other, net):
        plan = plan_of('mini_knn', each, data_root=str(mini_root))
        source = source_of(net)
        model = build_frozen(plan.config, source)
        keys.append(cache_keys(plan, model, str(mini_root))['train'])
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.slow
@pytest.mark.parametrize('name', ['dinov2_reg', 'convnextv2'])
@pytest.mark.parametrize(
    ('task', 'options'),
    [
        ('mini_seg_fcn', SHORT),
        ('mini_seg_upernet', SHORT),
        ('mini_finetune', EPOCH),
        ('mini_knn', {}),
    ],
)
def test_runs(registered, mini_root, tmp_path, name, task, options):
    """Patches of 14 pixels, and stages, through whole short runs."""
    source = source_of(TINY[name], method='Noise')
    outcome = run_task(
        source, task, 0, tmp_path, str(mini_root), copy.deepcopy(options)
    )
    record = outcome.record
    assert record['backbone'] == TINY[name].name
    assert all(0 <= value <= 100 for value in record['metrics'].values())
