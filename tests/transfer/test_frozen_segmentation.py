"""Linear segmentation on frozen maps, by the rules of the protocols."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

from ssl_bench.checkpoints.timm_nets import to_header
from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense import schedules
from ssl_bench.frozen_dense.maps import up
from ssl_bench.tasks.check import check_task
from ssl_bench.tasks.table import tasks
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.weights import load_backbone
from tests.backbones import thin_backbone, tiny_vit
from tests.timm_tiny import TINY, source_of

PACK = Path(__file__).parents[1] / 'data' / 'frozen_dense.npz'
TASKS = [name for name in tasks() if 'linseg' in name]
SHORT = {
    'train_cfg.max_iters': 3,
    'train_dataloader.batch_size': 2,
    'auto_scale_lr.base_batch_size': 2,
}


@pytest.fixture
def build(registered):
    """A segmenter of a task around a network."""
    from mmseg.registry import MODELS

    def build(task, net, **options):
        plan = make_plan(task, to_header(net), overrides=options)
        with DefaultScope.overwrite_default_scope('mmseg'):
            model = MODELS.build(plan.config.model)
        load_backbone(model, source_of(net))
        return model, plan

    return build


def sample(height, width):
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    found = SegDataSample(
        metainfo=dict(img_shape=(height, width), ori_shape=(height, width))
    )
    found.gt_sem_seg = PixelData(data=torch.randint(0, 9, (1, height, width)))
    return found


@pytest.mark.parametrize('task', TASKS)
def test_every_field_of_the_protocol_is_said(task):
    config = load_config(f'transfer/{task}')
    model, third = config.model, 'dinov3' in task
    franca, several = 'franca' in task, '_linsegms_' in task
    mini = task == 'mini_linseg'
    grid = (100, 100) if franca else None
    assert model.maps == dict(
        layers='last_four' if several else 'last',
        stages=(1, 2, 3, 4) if several else (2, 3, 4) if mini else (4,),
        final_norm=True,
        class_token=False,
        padding='cut' if third else 'around',
    )
    head = model.decode_head
    norm = dict(type='SyncBN', eps=1e-5, momentum=0.1)
    assert head.norm_cfg == (None if franca else norm)
    assert head.dropout_ratio == (0.1 if third else 0.0)
    assert head.conv_std == (None if franca else 0.01)
    assert head.map_size == head.label_size == model.score_size == grid
    loss = dict(
        type='PixelCrossEntropy', divide_by='kept' if franca else 'all'
    )
    if mini:
        loss['class_weight'] = [0.2, *[1.0] * 8]
    assert head.loss_decode == loss
    assert not head.align_corners
    ignored = 0 if task == 'ade20k_linseg_franca' else 255
    assert head.ignore_index == ignored
    assert model.test_cfg.mode == ('whole' if franca else 'slide')
    assert config.test_evaluator == (
        dict(
            type='MapIoU',
            variant='all_classes',
            ignore=[ignored],
            score_size=(100, 100),
            most_batches=512,
            batch_images=128,
        )
        if franca
        else dict(
            type='IoUMetric',
            iou_metrics=['mIoU'],
            ignore_index=255,
            nan_to_num=None,
        )
    )
    assert config.default_hooks.checkpoint.save_best is None
    assert config.val_cfg is None
    assert config.checkpoint_choice == dict(
        best=False, by='mIoU', every=1 if franca else 5000
    )


@pytest.mark.parametrize(
    'task', [name for name in TASKS if 'mini' not in name and 'dino' in name]
)
def test_sizes_of_the_full_tasks(task):
    third, several = 'dinov3' in task, '_linsegms_' in task
    side = 640 if several else 512
    config = load_config(f'transfer/{task}')
    train_set = config.train_dataloader.dataset
    for part in train_set.get('datasets', [train_set])[1:]:
        assert part.pipeline == train_set.datasets[0].pipeline
    train, test = (
        {step['type']: step for step in steps}
        for steps in (
            train_set.get('datasets', [train_set])[0].pipeline,
            config.test_dataloader.dataset.pipeline,
        )
    )
    if several:
        assert test['TestTimeAug'].transforms[0] == [
            dict(type='Resize', scale=(99999999, short), keep_ratio=True)
            for short in (640, int(640 * 1.32), int(640 * 1.73))
        ]
        test['Resize'] = test['TestTimeAug'].transforms[0][0]
    assert train['RandomResize'].scale == (99999999, side)
    assert train['RandomResize'].ratio_range == (0.5, 2.0)
    assert train['RandomCrop'].crop_size == (side, side)
    assert train['RandomCrop'].cat_max_ratio == 0.75
    assert test['Resize'].scale == (99999999, side)
    for step in train['RandomResize'], test['Resize']:
        assert step.get('backend') == ('pillow' if third else None)
        assert step.keep_ratio
    assert train['PhotoMetricDistortion'].get('hue_delta', 18) == (
        90 if third else 18
    )
    assert ('ade20k' in task) == bool(
        train['LoadAnnotations'].get('reduce_zero_label')
    )
    assert config.model.test_cfg == dict(
        mode='slide',
        crop_size=(side, side),
        stride=(426, 426) if several else (341, 341),
    )
    assert config.optim_wrapper.optimizer == dict(
        type='AdamW',
        lr=1e-3,
        betas=(0.9, 0.999),
        weight_decay=1e-3 if third else 1e-4,
    )
    assert config.optim_wrapper.clip_grad is None
    assert config.train_cfg.max_iters == 40000
    assert config.train_dataloader.batch_size == 16
    assert config.auto_scale_lr.base_batch_size == 16


@pytest.mark.parametrize(
    'rule', ['dinov2_segmentation', 'dinov3_segmentation']
)
def test_the_optimizer_has_the_official_rates(registered, rule):
    from mmengine.registry import PARAM_SCHEDULERS

    import ssl_bench.toolbox.official_rate  # noqa: F401  registers

    value = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([value], lr=2e-3)
    scheduler = PARAM_SCHEDULERS.build(
        dict(type='OfficialRate', rule=rule, warmup=4, end=12, by_epoch=False),
        default_args=dict(optimizer=optimizer),
    )
    found = []
    for _ in range(12):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        scheduler.step()
    wanted = [getattr(schedules, rule)(i, 2e-3, 12, 4) for i in range(12)]
    assert found == pytest.approx(wanted, rel=1e-12)
    assert len({*found}) > 9


def test_a_stretched_training_has_a_stretched_warm_up():
    plan = make_plan(
        'ade20k_linseg_dinov2', overrides={'train_dataloader.batch_size': 6}
    )
    (row,) = plan.config.param_scheduler
    assert (row.end, row.warmup) == (106667, 4000)


@pytest.mark.parametrize('case, layers', [('dv2seg1', 1), ('dv2seg4', 4)])
def test_the_head_has_the_official_numbers(registered, case, layers):
    """Logits, loss and running statistics, through mmseg's own methods."""
    from mmseg.registry import MODELS

    with np.load(PACK) as file:
        get = {
            name.partition('/')[2]: torch.from_numpy(file[name])
            for name in file.files
            if name.startswith(f'{case}/') and file[name].ndim
        }
        loss = float(file[f'{case}/loss'])
    features = [get[f'feat{i}'] for i in range(4 - layers, 4)]
    settings = load_config('transfer/voc12_linseg_dinov2').model.decode_head
    settings.num_classes = len(get['conv_bias'])
    with DefaultScope.overwrite_default_scope('mmseg'):
        head = MODELS.build(
            dict(settings, in_channels=[x.shape[1] for x in features])
        ).double()
    head.init_weights()
    assert (head.linear.conv.bias == 0).all()
    head.linear.conv.load_state_dict(
        dict(weight=get['conv_weight'], bias=get['conv_bias'])
    )
    head.linear.norm.weight.data.copy_(get['bn_weight'])
    head.linear.norm.bias.data.copy_(get['bn_bias'])
    height, width = get['label'].shape[1:]
    samples = []
    for labels in get['label']:
        samples.append(sample(height, width))
        samples[-1].gt_sem_seg.data = labels[None]
    found = head.train().loss(features, samples, None)['loss_ce']
    assert found.item() == pytest.approx(loss, abs=1e-9)
    near = dict(rtol=0, atol=1e-9)
    norm = head.linear.norm
    torch.testing.assert_close(norm.running_mean, get['running_mean'], **near)
    torch.testing.assert_close(norm.running_var, get['running_var'], **near)
    logits = head.eval()(features)
    torch.testing.assert_close(logits, get['logits_eval'], **near)


def test_images_are_padded_around_and_the_output_is_stretched(build):
    """Patches of 14: 38 x 51 pixels have 3 x 4 of them, 42 x 56."""
    net = TINY['dinov2_reg']
    model, _ = build(
        'mini_linseg',
        net,
        **{
            'model.maps.layers': 'last',
            'model.decode_head.norm_cfg': None,
            'model.test_cfg.mode': 'whole',
        },
    )
    image = torch.randn(1, 3, 38, 51)
    placed = torch.zeros(1, 3, 42, 56)
    placed[..., 2:40, 2:53] = image  # the smaller half is before
    built = model.backbone.net
    with torch.no_grad():
        (wanted,) = built.forward_intermediates(
            placed, indices=1, norm=True, intermediates_only=True
        )
        (found,) = model.extract_feat(image)
        assert torch.equal(found, wanted) and found.shape[2:] == (3, 4)
        logits = model.encode_decode(image, [dict(img_shape=(38, 51))])
        conv = model.decode_head.linear.conv
        assert torch.equal(logits, up(conv(wanted), (38, 51)))


def test_the_remainder_is_cut_for_dinov3(build):
    net = TINY['dinov3']
    model, _ = build('ade20k_linseg_dinov3', net)
    image = torch.randn(1, 3, 39, 52)
    with torch.no_grad():
        (found,) = model.extract_feat(image)
        (wanted,) = model.extract_feat(image[..., :32, :48])
    assert torch.equal(found, wanted) and found.shape[2:] == (2, 3)


def test_layers_norm_and_class_token_act(build):
    net = replace(
        TINY['dinov2_reg'], kwargs=dict(TINY['dinov2_reg'].kwargs, depth=8)
    )
    image = torch.randn(1, 3, 28, 42)
    built = {}
    for norm in (True, False):
        model, _ = build(
            'mini_linseg',
            net,
            **{
                'model.maps.layers': 'four',
                'model.maps.final_norm': norm,
                'model.maps.class_token': True,
            },
        )
        assert model.backbone.out_indices == (1, 3, 5, 7)
        assert model.decode_head.in_channels == 4 * 64
        built[norm] = model.extract_feat(image)
        pairs = model.backbone.net.forward_intermediates(
            image,
            indices=[1, 3, 5, 7],
            norm=norm,
            return_prefix_tokens=True,
            intermediates_only=True,
        )
        for layer, (patches, prefix) in zip(built[norm], pairs):
            assert torch.equal(layer[:, :32], patches)
            token = prefix[:, 0, :, None, None].expand_as(patches)
            assert torch.equal(layer[:, 32:], token)
    assert not torch.allclose(built[True][0], built[False][0])


@pytest.mark.parametrize(
    'net, options, message',
    [
        (
            'dinov2_reg',
            {'model.maps.layers': 'four'},
            'has 2 maps; write last',
        ),
        ('convnextv2', {'model.maps.class_token': True}, 'no class token'),
        ('dinov2_reg', {'model.maps.padding': 'side'}, 'padding.*around'),
    ],
)
def test_what_a_network_does_not_have(build, net, options, message):
    with pytest.raises(UserError, match=message):
        build('mini_linseg', TINY[net], **options)


def backbones():
    net = TINY['dinov2_reg']
    net = replace(net, kwargs=dict(net.kwargs, depth=4))
    plain = tiny_vit()[1]
    thin = thin_backbone()
    return dict(
        patch14=lambda: source_of(net, method='Noise'),
        stages=lambda: source_of(TINY['convnextv2'], method='Noise'),
        vit=lambda: Source(plain, plain.arch, plain.meta['arch_args']),
        resnet=lambda: Source(thin, thin.meta['arch'], thin.meta['arch_args']),
    )


@pytest.mark.parametrize('name', ['patch14', 'stages', 'vit', 'resnet'])
def test_a_run_trains_the_head_alone(registered, mini_root, tmp_path, name):
    source = backbones()[name]()
    outcome = run_task(
        source, 'mini_linseg', 0, tmp_path, str(mini_root), dict(SHORT)
    )
    record = outcome.record
    assert set(record['metrics']) == {'mIoU', 'mAcc', 'aAcc'}
    assert all(0 <= value <= 100 for value in record['metrics'].values())
    state = torch.load(outcome.folder / 'iter_3.pth', weights_only=False)[
        'state_dict'
    ]
    own = {
        key.partition('.')[2].removeprefix('net.'): value
        for key, value in state.items()
        if key.startswith('backbone.')
    }
    given = source.backbone.state
    shared = own.keys() & given.keys()
    assert len(shared) > 0.6 * len(given)
    assert all(torch.equal(own[key], given[key]) for key in shared)
    head = {k: v for k, v in state.items() if k.startswith('decode_head.')}
    assert record['trained_parameters'] == sum(
        value.numel()
        for key, value in head.items()
        if 'running' not in key and 'num_batches' not in key
    )
    assert state['decode_head.linear.conv.bias'].abs().max() > 0
    said = 'maps of [2, 3, 4] of four; the protocol defines one of a single'
    stages = name in ('stages', 'resnet')
    assert stages == any(said in text for text in record['changes'])
    if name == 'patch14':
        assert any(
            'padded on both sides to 98' in t for t in record['changes']
        )


@pytest.mark.parametrize('part', ['val', 'train'])
def test_masks_of_another_size_are_refused_before_training(
    registered, mini_root, source, tmp_path, part
):
    """One of the test, or all of the training, which skips single ones."""
    shutil.copytree(mini_root / 'VOCdevkit', tmp_path / 'VOCdevkit')
    shutil.copy(mini_root / 'mini.json', tmp_path)
    devkit = tmp_path / 'VOCdevkit/VOC2012'
    names = (devkit / f'ImageSets/Segmentation/{part}.txt').read_text()
    chosen = names.split()[:1] if part == 'val' else names.split()
    for name in reversed(chosen):
        path = devkit / f'SegmentationClass/{name}.png'
        with Image.open(path) as mask:
            width, height = mask.size
            smaller = mask.resize((width // 2, height // 2), 0)
        smaller.save(path)
    sizes = f'is .{height // 2}, {width // 2}., its image .{height}, {width}.'
    with pytest.raises(
        UserError, match=f'{chosen[0]}.png {sizes}.* resize the mask by the'
    ):
        run_task(
            source, 'mini_linseg', 0, tmp_path / 'runs', str(tmp_path), SHORT
        )
    assert not list(tmp_path.rglob('*.pth'))
    lines = check_task('mini_linseg', str(tmp_path), decode_all=True)
    assert any(re.search(sizes, line) for line in lines)


def test_layers_that_are_not_there_are_refused_before_training(
    registered, mini_root, tmp_path
):
    source = source_of(TINY['dinov2_reg'], method='Noise')
    options = {**SHORT, 'model.maps.layers': 'four'}
    with pytest.raises(UserError, match='has 2 maps; write last'):
        run_task(source, 'mini_linseg', 0, tmp_path, str(mini_root), options)
    assert not list(tmp_path.iterdir())


def test_nothing_of_the_backbone_can_be_trained():
    for train in ('lora:2', 'last:1', 'frozen'):
        with pytest.raises(UserError, match='head on a frozen backbone'):
            make_plan('mini_linseg', train=train)


def test_dinov3_resizes_with_antialiasing(registered, photo):
    """The steps of its config take images and masks; Pillow's pixels."""
    from mmseg.registry import TRANSFORMS

    import ssl_bench.toolbox.hooks  # noqa: F401  registers

    config = load_config('transfer/ade20k_linseg_dinov3')
    test, train = (
        {step['type']: step for step in loader.dataset.pipeline}
        for loader in (config.test_dataloader, config.train_dataloader)
    )
    image = np.ascontiguousarray(np.concatenate([photo, photo[:300]])[:, :700])
    mask = (image[..., 0] // 86).astype(np.uint8)
    given = dict(
        img=image,
        img_shape=image.shape[:2],
        ori_shape=image.shape[:2],
        gt_seg_map=mask,
        seg_fields=['gt_seg_map'],
    )
    with DefaultScope.overwrite_default_scope('mmseg'):
        found = TRANSFORMS.build(dict(test['Resize'], scale=(99999999, 200)))(
            dict(given, seg_fields=[])
        )
        size = found['img'].shape[1::-1]
        wanted = Image.fromarray(image).resize(size, Image.BILINEAR)
        assert min(size) == 200 and np.array_equal(found['img'], wanted)
        for name in (
            'RandomResize',
            'RandomCrop',
            'RandomFlip',
            'PhotoMetricDistortion',
        ):
            given = TRANSFORMS.build(train[name])(given)
    assert given['img'].shape[:2] == given['gt_seg_map'].shape
    assert max(given['img'].shape[:2]) <= 512
    assert {*np.unique(given['gt_seg_map'])} <= {0, 1, 2}
