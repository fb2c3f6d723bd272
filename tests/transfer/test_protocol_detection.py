"""Each flag of the detection protocols, on built models and configs."""

import math

import pytest
import torch
from torch import nn

from ssl_bench.layers.naive_sync_bn import NaiveSyncBatchNorm
from ssl_bench.transfer.plan import make_plan

pytestmark = pytest.mark.slow

C4 = ('voc0712_det_c4', 'coco_mrcnn_c4_1x', 'coco_mrcnn_c4_2x')
FPN = ('coco_mrcnn_fpn_1x', 'coco_mrcnn_fpn_2x')
# what differs from those is tested at the end
MORE = (
    'voc07_det_c4',
    'coco_mrcnn_fpn_6x',
    'coco_frcnn_fpn_1x',
    'coco10pct_mrcnn_fpn_12k',
    'coco5pct_mrcnn_fpn',
    'coco1pct_mrcnn_fpn',
    'lvis_mrcnn_fpn_1x',
    'cityscapes_mrcnn_fpn',
)
MINI = ('mini_voc_det_c4', 'mini_coco_mrcnn_fpn')
BATCH_NORM = nn.modules.batchnorm._BatchNorm


@pytest.fixture(scope='module')
def config(registered):
    """Configs of the tasks on eight accelerators, read once."""
    read = {}

    def get(task):
        if task not in read:
            plan = make_plan(task, processes=8, accelerator=True)
            assert task.startswith('mini_') or plan.changes == []
            read[task] = plan.config
        return read[task]

    return get


@pytest.fixture(scope='module')
def model(config):
    """Built models, built once."""
    from mmdet.registry import MODELS

    built = {}

    def get(task):
        if task not in built:
            built[task] = MODELS.build(config(task).model).train()
        return built[task]

    return get


@pytest.mark.parametrize(
    'task',
    [
        'voc0712_det_c4',
        'coco_mrcnn_c4_1x',
        'coco_mrcnn_fpn_1x',
        'coco_frcnn_fpn_1x',
        *MINI,
    ],
)
def test_everything_trains_and_every_norm_is_sync(model, task):
    net = model(task)
    norms = [
        module for module in net.modules() if isinstance(module, BATCH_NORM)
    ]
    kind = NaiveSyncBatchNorm if 'c4' in task else nn.SyncBatchNorm
    assert norms and all(isinstance(m, kind) for m in norms)
    assert all(m.training and m.weight.requires_grad for m in norms)
    frozen = [
        name
        for name, value in net.named_parameters()
        if not value.requires_grad
    ]
    assert frozen == []
    assert net.backbone.conv1.kernel_size == (7, 7)


@pytest.mark.parametrize('task', C4)
def test_res5_with_norm(model, task):
    net = model(task)
    shared = net.roi_head.shared_head
    assert shared.norm.num_features == 2048
    assert isinstance(shared.norm, NaiveSyncBatchNorm)
    assert not hasattr(net.backbone, 'layer4')
    # pytorch style: stride in the 3x3 convolution
    assert shared.layer4[0].conv1.stride == (1, 1)
    assert shared.layer4[0].conv2.stride == (2, 2)
    assert net.backbone.layer2[0].conv2.stride == (2, 2)
    shared.eval()
    with torch.no_grad():
        assert shared(torch.zeros(2, 1024, 14, 14)).shape == (2, 2048, 7, 7)
    shared.train()


@pytest.mark.parametrize('task', FPN)
def test_pixpros_recipe_has_the_naive_norm(registered, task):
    from mmdet.registry import MODELS

    plan = make_plan(task, recipe='pixpro', processes=8, accelerator=True)
    norms = [
        module
        for module in MODELS.build(plan.config.model).modules()
        if isinstance(module, BATCH_NORM)
    ]
    assert len(norms) == 53 + 8 + 4 + 4
    assert {type(norm) for norm in norms} == {NaiveSyncBatchNorm}
    assert plan.departures == []


def check_heads(roi_head):
    """First values of box and mask head, as Detectron2 draws them."""
    torch.manual_seed(0)
    roi_head.bbox_head.init_weights()
    for linear in roi_head.bbox_head.shared_fcs:  # Caffe2's XavierFill
        bound = math.sqrt(3 / linear.in_features)
        assert linear.weight.abs().max() <= bound
        assert linear.weight.std().item() == pytest.approx(
            bound / math.sqrt(3), rel=0.02
        )
        assert not linear.bias.any()
    for layer, std in (
        (roi_head.bbox_head.fc_cls, 0.01),
        (roi_head.bbox_head.fc_reg, 0.001),
    ):
        assert layer.weight.std().item() == pytest.approx(std, rel=0.05)
        assert not layer.bias.any()
    mask = roi_head.mask_head
    mask.init_weights()
    assert mask.conv_logits.weight.std().item() == pytest.approx(
        0.001, rel=0.05
    )
    assert not mask.conv_logits.bias.any()
    wide = mask.upsample.weight  # (256, 256, 2, 2), Kaiming-normal
    assert wide.std().item() == pytest.approx(math.sqrt(2 / 1024), rel=0.05)
    for conv in mask.convs:
        fan_out = conv.conv.weight.shape[0] * 9
        assert conv.conv.weight.std().item() == pytest.approx(
            math.sqrt(2 / fan_out), rel=0.05
        )


@pytest.mark.parametrize('task', ['coco_mrcnn_fpn_1x', 'coco_mrcnn_c4_1x'])
def test_first_values_are_detectron2s(model, task):
    net = model(task)
    if 'fpn' in task:
        torch.manual_seed(0)
        net.neck.init_weights()
        convs = [*net.neck.lateral_convs, *net.neck.fpn_convs]
        for conv in convs:
            weight = conv.conv.weight
            bound = math.sqrt(3 / weight[0].numel())
            assert weight.abs().max() <= bound
            assert weight.std().item() == pytest.approx(
                bound / math.sqrt(3), rel=0.05
            )
        check_heads(net.roi_head)
        return
    net.roi_head.mask_head.init_weights()
    assert net.roi_head.mask_head.conv_logits.weight.std().item() == (
        pytest.approx(0.001, rel=0.05)
    )


@pytest.mark.parametrize(
    'task', [*FPN, 'lvis_mrcnn_fpn_1x', 'cityscapes_mrcnn_fpn']
)
def test_fpn_norms_and_heads(model, task):
    net = model(task)
    for convs in (
        net.neck.lateral_convs,
        net.neck.fpn_convs,
        net.roi_head.bbox_head.shared_convs,
        net.roi_head.mask_head.convs,
    ):
        assert len(convs) == 4
        for conv in convs:
            assert isinstance(conv.norm, nn.SyncBatchNorm)
            assert conv.conv.bias is None
    assert all(not conv.with_activation for conv in net.neck.fpn_convs)
    head = net.roi_head.bbox_head
    assert [tuple(fc.weight.shape) for fc in head.shared_fcs] == [
        (1024, 256 * 49)
    ]
    assert not any(isinstance(m, BATCH_NORM) for m in net.rpn_head.modules())
    assert net.roi_head.mask_head.upsample.weight.shape == (256, 256, 2, 2)


def test_c4_mask_branch(model):
    head = model('coco_mrcnn_c4_1x').roi_head.mask_head
    assert len(head.convs) == 0
    assert head.upsample.weight.shape == (2048, 256, 2, 2)
    assert head.conv_logits.weight.shape == (80, 256, 1, 1)
    assert model('coco_mrcnn_c4_1x').roi_head.share_roi_extractor


@pytest.mark.parametrize('task', C4 + FPN)
def test_input(model, config, task):
    pre = model(task).data_preprocessor
    assert pre.mean.flatten().tolist() == pytest.approx(
        [123.675, 116.28, 103.53]
    )
    assert pre.std.flatten().tolist() == pytest.approx([58.395, 57.12, 57.375])
    assert pre._channel_conversion  # images are read as BGR
    assert pre.pad_size_divisor == (1 if task in C4 else 32)
    assert bool(pre.pad_mask) == ('mrcnn' in task)
    shorts = range(480, 801, 32) if 'voc' in task else range(640, 801, 32)
    loader = config(task).train_dataloader
    dataset = loader.dataset
    for part in dataset.get('datasets', [dataset]):
        steps = {step.type: step for step in part.pipeline}
        assert steps['LoadImageFromFile'].imdecode_backend == 'pillow'
        resize = steps['RandomChoiceResize']
        assert resize.scales == [(1333, short) for short in shorts]
        assert (resize.keep_ratio, resize.backend) == (True, 'pillow')
        assert steps['RandomFlip'].prob == 0.5
        assert part.filter_cfg == dict(filter_empty_gt=True, min_size=0)
        assert 'bbox_min_size' not in part.filter_cfg
        if 'mrcnn' in task:
            assert steps['LoadAnnotations'].poly2mask is False
    assert loader.sampler.type == 'InfiniteSampler'
    assert loader.batch_sampler.type == 'AspectRatioBatchSampler'
    test = {
        step.type: step
        for step in config(task).test_dataloader.dataset.pipeline
    }
    assert test['Resize'].scale == (1333, 800)
    assert test['Resize'].backend == 'pillow'


@pytest.mark.parametrize('task', C4 + FPN + MINI + MORE)
def test_rpn_and_roi_rules(config, task):
    train, test = config(task).model.train_cfg, config(task).model.test_cfg
    assert train.rpn.assigner.min_pos_iou == 0.0
    assert (
        train.rpn.assigner.pos_iou_thr,
        train.rpn.assigner.neg_iou_thr,
    ) == (0.7, 0.3)
    assert train.rpn.assigner.match_low_quality
    assert train.rpn.allowed_border == -1
    assert train.rcnn.assigner.match_low_quality is False
    assert train.rcnn.assigner.min_pos_iou == 0.5
    assert train.rcnn.sampler.pos_fraction == 0.25
    assert train.rcnn.sampler.add_gt_as_proposals
    assert train.rpn_proposal.nms.iou_threshold == 0.7
    assert train.rpn_proposal.min_bbox_size == 0
    lvis = task == 'lvis_mrcnn_fpn_1x'
    assert test.rcnn.nms.iou_threshold == 0.5
    assert test.rcnn.score_thr == (1e-4 if lvis else 0.05)
    if task in MINI:
        return
    assert (train.rpn.sampler.num, train.rcnn.sampler.num) == (256, 512)
    assert test.rcnn.max_per_img == (300 if lvis else 100)
    c4 = task.endswith('_c4') or '_c4_' in task
    assert (train.rpn_proposal.nms_pre, train.rpn_proposal.max_per_img) == (
        (12000, 2000) if c4 else (2000, 1000)
    )
    assert (test.rpn.nms_pre, test.rpn.max_per_img) == (
        (6000, 1000) if c4 else (1000, 1000)
    )
    if 'mrcnn' in task:
        assert train.rcnn.mask_size == (14 if c4 else 28)


@pytest.mark.parametrize(
    'task,sizes,ratios',
    [
        ('voc0712_det_c4', [[32, 64, 128, 256, 512]], 3),
        ('coco_mrcnn_fpn_1x', [[32], [64], [128], [256], [512]], 3),
    ],
)
def test_anchors(model, task, sizes, ratios):
    bases = model(task).rpn_head.prior_generator.base_anchors
    for anchors, wanted in zip(bases, sizes, strict=True):
        side = anchors[:, 2:] - anchors[:, :2]
        areas = side.prod(dim=1).sqrt().round().int().tolist()
        assert sorted(areas) == sorted(wanted * ratios)
        shape = (side[:, 1] / side[:, 0]).round(decimals=3)
        assert set(shape.tolist()) == {0.5, 1.0, 2.0}


def test_roi_align(model):
    for task, sides in (
        ('voc0712_det_c4', [(14, 14)]),
        ('coco_mrcnn_fpn_1x', [(7, 7)] * 4),
    ):
        layers = model(task).roi_head.bbox_roi_extractor.roi_layers
        assert [layer.output_size for layer in layers] == sides
        assert all(
            layer.aligned and layer.sampling_ratio == 0 for layer in layers
        )


@pytest.mark.parametrize(
    'task,classes',
    [
        ('voc0712_det_c4', 20),
        ('coco_mrcnn_c4_1x', 80),
        ('coco_mrcnn_fpn_1x', 80),
    ],
)
def test_outputs_and_losses(model, task, classes):
    net = model(task)
    head, rpn = net.roi_head.bbox_head, net.rpn_head
    width = 1024 if 'fpn' in task else 2048
    assert head.fc_cls.weight.shape == (classes + 1, width)
    assert head.fc_reg.weight.shape == (4 * classes, width)  # per class
    assert head.bbox_coder.stds == [0.1, 0.1, 0.2, 0.2]
    assert rpn.bbox_coder.stds == [1.0, 1.0, 1.0, 1.0]
    assert math.isclose(
        head.bbox_coder.decode(
            torch.tensor([[0.0, 0.0, 16.0, 16.0]]),
            torch.tensor([[0.0, 0.0, 99.0, 0.0]]),
        )[0, 2],
        8 + 500,
        rel_tol=1e-5,
    )
    assert rpn.loss_cls.use_sigmoid and not head.loss_cls.use_sigmoid
    assert {type(part.loss_bbox).__name__ for part in (rpn, head)} == {
        'L1Loss'
    }
    assert rpn.rpn_cls.out_channels == (3 if 'fpn' in task else 15)


@pytest.mark.parametrize(
    'task,iterations,steps,warm_up',
    [
        ('voc0712_det_c4', 24000, (18000, 22000), 100),
        ('voc07_det_c4', 9000, (6750, 8250), 100),
        ('coco_frcnn_fpn_1x', 90000, (60000, 80000), 1000),
        ('coco_mrcnn_fpn_6x', 540000, (480000, 520000), 1000),
        ('coco10pct_mrcnn_fpn_12k', 12000, (8000, 10667), 1000),
        ('coco5pct_mrcnn_fpn', 6000, (4000, 5333), 500),
        ('coco1pct_mrcnn_fpn', 1200, (800, 1067), 100),
        ('lvis_mrcnn_fpn_1x', 90000, (60000, 80000), 1000),
        ('coco_mrcnn_c4_1x', 90000, (60000, 80000), 1000),
        ('coco_mrcnn_fpn_1x', 90000, (60000, 80000), 1000),
        ('coco_mrcnn_c4_2x', 180000, (120000, 160000), 1000),
        ('coco_mrcnn_fpn_2x', 180000, (120000, 160000), 1000),
    ],
)
def test_schedule_is_detectron2s(config, task, iterations, steps, warm_up):
    cfg = config(task)
    assert cfg.train_cfg.max_iters == iterations
    assert cfg.auto_scale_lr.base_batch_size == 16
    assert cfg.train_dataloader.batch_size * 8 == 16
    rates = simulate(
        cfg,
        {
            0,
            warm_up // 2,
            warm_up - 1,
            warm_up,
            steps[0] - 1,
            steps[0],
            steps[1] - 1,
            steps[1],
        },
    )
    for iteration, rate in rates.items():
        factor = 0.001 + (1 - 0.001) * min(iteration / warm_up, 1)
        drops = sum(iteration >= step for step in steps)
        assert math.isclose(rate, 0.02 * factor * 0.1**drops, rel_tol=1e-9), (
            iteration
        )


def simulate(cfg, wanted):
    """Learning rates that mmengine's schedulers give at some iterations."""
    from mmengine.registry import PARAM_SCHEDULERS

    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=cfg.optim_wrapper.optimizer.lr)
    schedulers = [
        PARAM_SCHEDULERS.build(dict(row, optimizer=optimizer))
        for row in cfg.param_scheduler
    ]
    rates = {}
    for iteration in range(max(wanted) + 1):
        if iteration in wanted:
            rates[iteration] = optimizer.param_groups[0]['lr']
        for scheduler in schedulers:
            scheduler.step()
    return rates


@pytest.mark.parametrize('task', ['voc0712_det_c4', 'coco_mrcnn_fpn_1x'])
def test_norms_are_not_decayed(model, config, task):
    from mmengine.optim import build_optim_wrapper

    net = model(task)
    optimizer = build_optim_wrapper(net, config(task).optim_wrapper).optimizer
    assert (
        optimizer.defaults['lr'],
        optimizer.defaults['momentum'],
        optimizer.defaults['nesterov'],
    ) == (0.02, 0.9, False)
    decay = {
        id(value): group['weight_decay']
        for group in optimizer.param_groups
        for value in group['params']
    }
    norm_values = {
        id(value)
        for module in net.modules()
        if isinstance(module, BATCH_NORM)
        for value in module.parameters()
    }
    for name, value in net.named_parameters():
        wanted = 0.0 if id(value) in norm_values else 1e-4
        assert decay[id(value)] == wanted, name


@pytest.mark.parametrize('task', C4 + FPN)
def test_precise_statistics_and_metrics(config, task):
    cfg = config(task)
    assert (
        dict(type='TrainingPreciseBNHook', num_iters=200) in cfg.custom_hooks
    )
    assert cfg.get('val_cfg') is None
    if 'voc' in task:
        assert cfg.test_evaluator.type == 'VOCDetectionMetric'
        sets = cfg.train_dataloader.dataset.datasets
        assert [part.ann_file for part in sets] == [
            f'VOC{year}/ImageSets/Main/trainval.txt' for year in (2007, 2012)
        ]
        assert {part.type for part in sets} == {'VOCDetection'}
        assert (
            cfg.test_dataloader.dataset.ann_file
            == 'VOC2007/ImageSets/Main/test.txt'
        )
    else:
        assert cfg.test_evaluator.proposal_nums == (1, 10, 100)
        assert cfg.test_evaluator.metric == ['bbox', 'segm']
        assert cfg.train_dataloader.dataset.ann_file.endswith(
            'instances_train2017.json'
        )


def test_insloc_box_head_has_one_more_norm(registered):
    from mmdet.registry import MODELS

    settings = dict(
        in_channels=8,
        conv_out_channels=8,
        fc_out_channels=16,
        num_classes=3,
        norm_cfg=dict(type='SyncBN'),
    )
    plain = MODELS.build(dict(type='Shared4Conv1FCBBoxHead', **settings))
    head = MODELS.build(dict(type='InsLocBoxHead', **settings)).eval()
    more = set(dict(head.named_parameters())) - set(
        dict(plain.named_parameters())
    )
    assert more == {'fc_norm.weight', 'fc_norm.bias'}
    plain.load_state_dict(head.state_dict(), strict=False)
    plain.eval()
    x = torch.randn(4, 8, 7, 7)
    head.fc_norm.running_mean += 5.0
    with torch.no_grad():
        for got, unnormed in zip(head(x), plain(x)):
            assert got.shape == unnormed.shape
            assert not torch.allclose(got, unnormed)
        head.fc_norm.reset_running_stats()
        for got, unnormed in zip(head(x), plain(x)):
            torch.testing.assert_close(got, unnormed, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('percent', [1, 5, 10])
def test_a_part_of_coco_is_all_else_like_the_whole(registered, percent):
    name = {10: 'coco10pct_mrcnn_fpn_12k'}.get(
        percent, f'coco{percent}pct_mrcnn_fpn'
    )
    # read again: building changes the configs of other tests
    part, whole = (
        make_plan(task, processes=8, accelerator=True).config
        for task in (name, 'coco_mrcnn_fpn_1x')
    )
    drawn = part.train_dataloader.dataset
    assert (drawn.type, drawn.seed) == ('mmengine.FractionDataset', 0)
    assert drawn.fraction == percent / 100
    assert drawn.dataset == whole.train_dataloader.dataset
    assert part.model == whole.model
    assert part.test_dataloader == whole.test_dataloader


def test_voc07_alone(config):
    (only,) = config('voc07_det_c4').train_dataloader.dataset.datasets
    first = config('voc0712_det_c4').train_dataloader.dataset.datasets[0]
    assert only == first and '2007' in only.ann_file
    assert (
        make_plan('voc07_det_c4').config.model
        == make_plan('voc0712_det_c4').config.model
    )


def test_faster_rcnn_fpn(model, config):
    net, cfg = model('coco_frcnn_fpn_1x'), config('coco_frcnn_fpn_1x')
    assert not net.roi_head.with_mask
    assert [
        tuple(fc.weight.shape) for fc in net.roi_head.bbox_head.shared_fcs
    ] == [(1024, 256 * 49), (1024, 1024)]
    assert len(net.roi_head.bbox_head.shared_convs) == 0
    assert all(
        isinstance(conv.norm, nn.SyncBatchNorm)
        for conv in (*net.neck.lateral_convs, *net.neck.fpn_convs)
    )
    assert cfg.test_evaluator.metric == ['bbox']
    assert cfg.custom_hooks == []
    steps = {s.type: s for s in cfg.train_dataloader.dataset.pipeline}
    assert steps['LoadAnnotations'].with_mask is False


def test_lvis_on_a_pyramid(model, config):
    cfg = config('lvis_mrcnn_fpn_1x')
    vit = make_plan('lvis_vitdet_b', processes=32).config
    net = model('lvis_mrcnn_fpn_1x')
    assert net.roi_head.bbox_head.fc_cls.out_features == 1204
    assert net.roi_head.mask_head.conv_logits.out_channels == 1203
    assert net.roi_head.bbox_head.loss_cls.use_sigmoid is False
    for part in ('train_dataloader', 'test_dataloader'):
        ours, theirs = cfg[part].dataset, vit[part].dataset
        assert ours.type == theirs.type == 'LvisInstances'
        assert ours.ann_file == theirs.ann_file
    assert cfg.train_dataloader.sampler == vit.train_dataloader.sampler
    assert cfg.test_evaluator == vit.test_evaluator
    longer = make_plan('lvis_mrcnn_fpn_1x', recipe='detectron2').config
    assert longer.param_scheduler[1].milestones == [120000, 160000]


def test_cityscapes_instances(model, config):
    cfg = config('cityscapes_mrcnn_fpn')
    net = model('cityscapes_mrcnn_fpn')
    assert net.roi_head.bbox_head.fc_cls.out_features == 9
    assert net.roi_head.mask_head.conv_logits.out_channels == 8
    assert cfg.auto_scale_lr.base_batch_size == 8
    assert (cfg.optim_wrapper.optimizer.lr, cfg.train_cfg.max_iters) == (
        0.01,
        24000,
    )
    assert cfg.param_scheduler[1].milestones == [18000]
    steps = {s.type: s for s in cfg.train_dataloader.dataset.pipeline}
    assert steps['RandomChoiceResize'].scales == [
        (2048, short) for short in range(800, 1025, 32)
    ]
    test = {s.type: s for s in cfg.test_dataloader.dataset.pipeline}
    assert test['Resize'].scale == (2048, 1024)
    assert len(cfg.train_dataloader.dataset.metainfo.classes) == 8


@pytest.mark.parametrize(
    'task, decay, drop',
    [
        ('coco_vitdet_b', 0.8, 0.4),
        ('lvis_vitdet_b', 0.8, 0.4),
        ('in1k_finetune', 0.75, 0.2),
    ],
)
def test_recipes_of_a_large_vit(registered, task, decay, drop):
    """Detectron2's ViTDet-L and MAE's FINETUNE.md, fitted to a ViT-L."""
    from ssl_bench.checkpoints.architectures import describe
    from ssl_bench.transfer.source import parse_arch

    arch = describe(parse_arch('vit_large_patch16'))
    plan = make_plan(task, arch, recipe='vit_large')
    wrapper, net = plan.config.optim_wrapper, plan.config.model.backbone
    assert wrapper.paramwise_cfg.layer_decay_rate == decay
    assert net.drop_path_rate == drop
    assert net.arch['num_layers'] == 24
    if task == 'in1k_finetune':
        assert wrapper.optimizer.lr == 4e-3  # 1e-3 x 1024 / 256
        assert plan.config.train_cfg.max_epochs == 50
        cosine = plan.config.param_scheduler[-1]
        assert (cosine.type, cosine.T_max) == ('LayerCosineLR', 45)
        assert cosine.end == 50
        return
    assert wrapper.paramwise_cfg.num_layers == 24
    assert net.arch['global_attn_indexes'] == [5, 11, 17, 23]
