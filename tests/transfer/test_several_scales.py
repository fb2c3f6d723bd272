"""A test at several scales averages the probabilities of all views."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

from ssl_bench.checkpoints.timm_nets import to_header
from ssl_bench.config import load_config
from ssl_bench.errors import UserError
from ssl_bench.frozen_dense.windows import most_likely, probabilities, slide
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.run import run_task
from tests.timm_tiny import TINY

SCALES = (48, 64)
WINDOW = {
    'model.test_cfg.crop_size': (48, 48),
    'model.test_cfg.stride': (32, 32),
}


def views():
    steps = load_config('transfer/voc12_linsegms_dinov2').test_views
    steps = [steps[0], dict(steps[1])]
    steps[1]['transforms'] = [
        [
            dict(type='Resize', scale=(99999999, short), keep_ratio=True)
            for short in SCALES
        ],
        *steps[1]['transforms'][1:],
    ]
    return steps


def test_views_are_averaged_as_probabilities(registered, tmp_path, photo):
    from mmseg.registry import MODELS, TRANSFORMS

    Image.fromarray(photo[:120, :150]).save(tmp_path / 'a.png')
    mask = (photo[:120, :150, 0] // 86).astype(np.uint8)
    Image.fromarray(mask).save(tmp_path / 'a_mask.png')
    net = TINY['dinov2_reg']
    net = replace(net, kwargs=dict(net.kwargs, depth=5))
    plan = make_plan('voc12_linsegms_dinov2', to_header(net), overrides=WINDOW)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(plan.config.model).eval()
        merged = MODELS.build(dict(plan.config.tta_model, module=model))
        row = dict(
            img_path=str(tmp_path / 'a.png'),
            seg_map_path=str(tmp_path / 'a_mask.png'),
            reduce_zero_label=False,
            label_map=None,
            seg_fields=[],
        )
        for step in views():
            row = TRANSFORMS.build(step)(row)
    assert model.backbone.out_indices == (1, 2, 3, 4)
    batch = {key: [[value] for value in row[key]] for key in row}
    (found,) = merged.test_step(batch)
    wanted = []
    for image, short in zip(row['inputs'], SCALES):
        assert min(image.shape[1:]) == short
        pixels = model.data_preprocessor(
            dict(inputs=[image], data_samples=None)
        )['inputs']
        logits = slide(
            pixels,
            lambda part: model.decode_head(model.extract_feat(part)),
            crop=48,
            stride=32,
        )
        wanted.append(probabilities(logits, (120, 150)))
    agree = found.pred_sem_seg.data == most_likely(wanted)[0]
    assert agree.float().mean() > 0.9999  # round-off at a tie
    assert np.array_equal(found.gt_sem_seg.data[0], mask)


def test_a_run_tests_all_views(
    registered, mini_root, source, tmp_path, monkeypatch
):
    from mmseg.models import SegTTAModel

    merged, merge = [], SegTTAModel.merge_preds

    def look(self, views):
        merged.append(len(views[0]))
        return merge(self, views)

    monkeypatch.setattr(SegTTAModel, 'merge_preds', look)
    outcome = run_task(
        source,
        'mini_linseg',
        0,
        tmp_path,
        str(mini_root),
        {
            'train_cfg.max_iters': 2,
            'train_dataloader.batch_size': 2,
            'auto_scale_lr.base_batch_size': 2,
            'test_dataloader.dataset.pipeline': views(),
        },
        visualize=1,
    )
    assert merged == [2, 2, 2, 2]
    assert 0 <= outcome.record['metrics']['mIoU'] <= 100
    assert (outcome.folder / 'predictions.png').is_file()


def test_four_layers_of_fewer_are_refused(registered):
    from mmseg.registry import MODELS

    plan = make_plan('voc12_linsegms_dinov2', to_header(TINY['dinov2_reg']))
    with (
        DefaultScope.overwrite_default_scope('mmseg'),
        pytest.raises(UserError, match='last_four: .* has 2 maps; write last'),
    ):
        MODELS.build(plan.config.model)


def test_the_recipe_has_five_scales():
    plan = make_plan('ade20k_linsegms_dinov2', recipe='five_scales')
    steps = plan.config.test_dataloader.dataset.pipeline[1].transforms
    assert [step.scale[1] for step in steps[0]] == [
        int(640 * ratio) for ratio in (1, 1.32, 1.73, 2.28, 3)
    ]
    assert steps[2][0].reduce_zero_label is True
