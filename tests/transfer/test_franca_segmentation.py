"""Franca's linear segmentation: the whole model, its crop and its score."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from ssl_bench.checkpoints.timm_nets import to_header
from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense import miou
from ssl_bench.frozen_dense.maps import nearest
from ssl_bench.tasks.table import find_task
from ssl_bench.transfer.plan import make_plan
from tests.timm_tiny import TINY

PACK = Path(__file__).parents[1] / 'data' / 'frozen_dense.npz'


def pack(prefix):
    with np.load(PACK) as file:
        return {
            name.partition('/')[2]: torch.from_numpy(np.array(file[name]))
            for name in file.files
            if name.startswith(f'{prefix}/') and file[name].dtype.kind != 'U'
        }


def built(task, options, net='dinov2_reg'):
    from mmseg.registry import MODELS

    plan = make_plan(task, to_header(TINY[net]), overrides=options)
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(plan.config.model)


def metric(classes, **settings):
    from mmseg.registry import METRICS

    config = load_config('transfer/voc12_linseg_franca').test_evaluator
    with DefaultScope.overwrite_default_scope('mmseg'):
        found = METRICS.build({**config, **settings})
    found.dataset_meta = dict(classes=[str(i) for i in range(classes)])
    return found


def samples_of(masks):
    found = []
    for mask in masks:
        shape = tuple(mask.shape)
        found.append(
            SegDataSample(metainfo=dict(img_shape=shape, ori_shape=(9, 7)))
        )
        found[-1].gt_sem_seg = PixelData(data=mask[None])
    return found


def test_the_model_and_the_evaluator_have_the_official_numbers(
    registered, monkeypatch
):
    """The golden tokens, in the place of what a backbone gives."""
    gold = pack('franca')
    size = (int(gold['mask_size']),) * 2
    model = built(
        'voc12_linseg_franca',
        {
            'model.decode_head.num_classes': 5,
            'model.decode_head.map_size': size,
            'model.decode_head.label_size': size,
            'model.score_size': size,
        },
    ).double()
    tokens = gold['tokens_cls_first'][:, 1:]
    grid = tokens.transpose(1, 2).reshape(2, 6, 4, 4)
    head = model.decode_head
    head.linear.conv = torch.nn.Conv2d(6, 5, 1).double()
    head.linear.conv.load_state_dict(
        dict(weight=gold['conv_weight'], bias=gold['conv_bias'])
    )
    monkeypatch.setattr(model, 'extract_feat', lambda images: [grid])
    samples = samples_of(gold['mask'])
    images = torch.zeros(2, 3, 28, 28)
    loss = model.loss(images, samples)['decode.loss_ce']
    assert loss.item() == pytest.approx(gold['loss'].item(), abs=1e-9)
    loss.backward()
    torch.testing.assert_close(
        head.linear.conv.weight.grad, gold['grad_conv_weight']
    )
    found = model.eval().predict(images, samples)
    predicted = torch.stack([x.pred_sem_seg.data[0] for x in found])
    labels = nearest(gold['mask'], size)
    kept = labels != 255
    assert torch.equal(predicted[kept], gold['val_pred_valid'])
    assert torch.equal(labels[kept], gold['val_gt_valid'].long())
    score = metric(5, score_size=size)
    score.process(None, [x.to_dict() for x in found])
    matrix = miou.confusion(labels, predicted, 5, [255])
    wanted = 100 * miou.miou(matrix, 'all_classes')
    assert score.evaluate(2)['mIoU'] == pytest.approx(wanted)


def test_maps_are_resized_before_the_convolution(registered):
    """A norm in the head would see the difference; here a count does."""
    model = built('voc12_linseg_franca', {})
    seen = []
    model.decode_head.linear.conv.register_forward_hook(
        lambda _, inputs, out: seen.append((inputs[0].shape, out.shape))
    )
    assert isinstance(model.decode_head.linear.norm, torch.nn.Identity)
    with torch.no_grad():
        model.eval().encode_decode(torch.randn(1, 3, 56, 56), [{}])
    assert seen == [((1, 32, 100, 100), (1, 21, 100, 100))]


def score_of(labels, predictions, classes, **settings):
    found = metric(
        classes, score_size=labels[0].shape, **{'ignore': [255], **settings}
    )
    for label, prediction in zip(labels, predictions):
        found.process(
            None,
            [
                dict(
                    pred_sem_seg=dict(data=prediction[None]),
                    gt_sem_seg=dict(data=label[None]),
                )
            ],
        )
    return found.evaluate(len(labels))


def test_the_evaluator_is_that_of_the_protocol(registered):
    gold = pack('miou')
    classes = int(gold['num_classes'])
    labels, found = gold['label'], gold['pred']
    mine = score_of(labels, found, classes)
    assert mine['mIoU'] / 100 == pytest.approx(
        gold['hb_identity'].item(), abs=1e-6
    )
    assert mine['aAcc'] == pytest.approx(100 * gold['aAcc'].item(), abs=1e-4)
    present = score_of(labels, found, classes, variant='present')
    assert present['mIoU'] == pytest.approx(
        100 * gold['mIoU'].item(), abs=1e-4
    )


def test_the_evaluator_counts_the_first_batches_alone(registered):
    labels = torch.tensor([[[0, 1]], [[0, 1]], [[0, 1]]])
    found = torch.tensor([[[0, 1]], [[0, 1]], [[1, 0]]])
    assert score_of(labels, found, 2)['aAcc'] == pytest.approx(200 / 3)
    few = score_of(labels, found, 2, most_batches=2, batch_images=1)
    assert few['aAcc'] == 100


def test_labels_are_resized_and_predictions_are_not(registered):
    label = torch.arange(16).reshape(1, 4, 4)
    score = metric(16, score_size=(2, 2))
    sample = dict(
        gt_sem_seg=dict(data=label),
        pred_sem_seg=dict(data=torch.tensor([[[0, 2], [8, 10]]])),
    )
    score.process(None, [sample])
    assert score.evaluate(1)['aAcc'] == 100
    with pytest.raises(ValueError, match=r'score_size is \(3, 3\)'):
        metric(16, score_size=(3, 3)).process(None, [sample])


def test_a_size_of_scores_takes_no_windows(registered):
    with pytest.raises(UserError, match=r"test_cfg\.mode='whole'"):
        built('voc12_linseg_dinov2', {'model.score_size': (100, 100)})


def test_the_crop_keeps_image_and_mask_together(registered):
    """A mark in image and mask is at the same place after the crop."""
    from mmseg.registry import TRANSFORMS

    steps = load_config('transfer/voc12_linseg_franca').train_steps
    settings = next(s for s in steps if s['type'] == 'RandomResizedMaskCrop')
    assert settings == dict(
        type='RandomResizedMaskCrop',
        size=(448, 448),
        area=(0.8, 1.0),
        ratio=(3 / 4, 4 / 3),
    )
    crop = TRANSFORMS.build({**settings, 'size': (64, 64)})
    image = np.zeros((90, 120, 3), np.uint8)
    image[30:60, 40:80] = 255
    mask = (image[..., 0] > 0).astype(np.uint8)
    torch.manual_seed(0)
    shares = set()
    for _ in range(5):
        found = crop(
            dict(img=image, gt_seg_map=mask, seg_fields=['gt_seg_map'])
        )
        assert found['img'].shape[:2] == found['gt_seg_map'].shape == (64, 64)
        marked = found['img'][..., 0] > 127
        assert (marked == found['gt_seg_map']).mean() > 0.94
        shares.add(found['gt_seg_map'].mean())
        # of the image 1/9, of a crop up to 1.25 times as much
        assert 0.08 < found['gt_seg_map'].mean() < 0.15
    assert len(shares) > 1


def test_ade20k_keeps_its_zero(registered, tmp_path):
    from mmseg.registry import DATASETS
    from PIL import Image

    import ssl_bench.toolbox.load_masks  # noqa: F401  registers

    for folder in ('images', 'masks'):
        (tmp_path / folder).mkdir()
    Image.new('RGB', (4, 4)).save(tmp_path / 'images/a.jpg')
    mask = np.array([[0, 1], [150, 150]], np.uint8).repeat(2, 0).repeat(2, 1)
    Image.fromarray(mask).save(tmp_path / 'masks/a.png')
    config = load_config('transfer/ade20k_linseg_franca')
    settings = config.test_dataloader.dataset
    load = next(s for s in settings.pipeline if s.type == 'LoadAnnotations')
    with DefaultScope.overwrite_default_scope('mmseg'):
        found = DATASETS.build(
            dict(
                type=settings.type,
                reduce_zero_label=settings.reduce_zero_label,
                data_prefix=dict(
                    img_path=str(tmp_path / 'images'),
                    seg_map_path=str(tmp_path / 'masks'),
                ),
                pipeline=[
                    dict(type='LoadImageFromFile'),
                    dict(load, type='ReadMask', classes=151),
                ],
            )
        )
    assert len(found.metainfo['classes']) == 151
    assert len(found.metainfo['palette']) == 151
    assert found.metainfo['classes'][1] == 'wall'
    assert np.array_equal(found[0]['gt_seg_map'], mask)


@pytest.mark.parametrize('name', ['voc12', 'ade20k'])
def test_the_training_is_that_of_the_protocol(name):
    config = load_config(f'transfer/{name}_linseg_franca')
    assert config.optim_wrapper.optimizer == dict(
        type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4
    )
    assert config.optim_wrapper.clip_grad is None
    assert config.train_cfg.max_epochs == 25
    (rate,) = config.param_scheduler
    assert (rate.milestones, rate.gamma, rate.by_epoch) == ([20], 0.1, True)
    assert config.train_dataloader.batch_size == 128
    assert config.auto_scale_lr.base_batch_size == 128
    assert config.train_dataloader.sampler.type == 'DefaultSampler'
    data = config.train_dataloader.dataset
    for part in data.get('datasets', [data]):
        assert part.pipeline == config.train_steps
    classes = config.model.decode_head.num_classes
    assert classes == dict(voc12=21, ade20k=151)[name]
    assert (
        find_task(f'{name}_linseg_franca').dataset
        == dict(voc12='voc12aug', ade20k='ade20k')[name]
    )
