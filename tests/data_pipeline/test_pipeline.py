"""The views of a pipeline, as its transforms say."""

import pytest
from mmengine.config import Config

from ssl_bench.data.pipeline import build_pipeline, view_sizes, view_summary


def built(*steps):
    return build_pipeline(
        Config(dict(train_dataloader=dict(dataset=dict(pipeline=list(steps)))))
    )


CASES = {
    'MakeViews': (
        dict(
            type='MakeViews',
            views=[
                dict(size=64, scale=(0.08, 1.0)),
                dict(size=(32, 48), repeat=2),
            ],
        ),
        [(64, 64), (32, 48), (32, 48)],
        '1 view of 64 px (area 0.08 to 1) + '
        '2 views of 32x48 px (area 0.2 to 1)',
    ),
    'InsLocViews': (
        dict(type='InsLocViews', canvas=(256, 512)),
        [(256, 512)] * 2,
        '2 views of 256x512 px (area 0.2 to 1)',
    ),
    'RandomResizedCrop': (
        dict(type='RandomResizedCrop', scale=96),
        [(96, 96)],
        '1 view of 96 px (area 0.08 to 1)',
    ),
    'RandomResizedCrop of two sides': (
        dict(type='RandomResizedCrop', scale=(48, 96)),
        [(48, 96)],
        '1 view of 48x96 px (area 0.08 to 1)',
    ),
    'MultiView': (
        dict(
            type='MultiView',
            num_views=[2, 3],
            transforms=[
                [dict(type='RandomResizedCrop', scale=224)],
                [
                    dict(
                        type='RandomResizedCrop',
                        scale=80,
                        crop_ratio_range=(0.05, 0.14),
                    ),
                    dict(type='RandomFlip', prob=0.5),
                ],
            ],
        ),
        [(224, 224)] * 2 + [(80, 80)] * 3,
        '2 views of 224 px (area 0.08 to 1) + '
        '3 views of 80 px (area 0.05 to 0.14)',
    ),
    'a step without views': (dict(type='RandomFlip', prob=0.5), [], ''),
}


@pytest.mark.parametrize('case', CASES)
def test_sizes_and_summary_of_a_transform(registered, case):
    step, expected, line = CASES[case]
    assert view_sizes(built(step)) == expected
    assert view_summary(built(step)) == line


@pytest.mark.parametrize('case', ['MakeViews', 'InsLocViews'])
def test_the_views_have_the_sizes(registered, photo, case):
    (step,) = built(CASES[case][0])
    views = step.transform(dict(img=photo, backgrounds=[photo, photo]))['img']
    assert [tuple(view.shape[1:]) for view in views] == step.view_sizes()


def test_sides_of_a_crop_of_mmpretrain(registered, photo):
    (step,) = built(CASES['RandomResizedCrop of two sides'][0])
    shape = step.transform(dict(img=photo))['img'].shape
    assert [shape[:2]] == view_sizes([step])


def test_a_pipeline_is_asked_step_by_step(registered):
    steps = built(CASES['RandomResizedCrop'][0], CASES['InsLocViews'][0])
    assert view_sizes(steps) == [(96, 96), (256, 512), (256, 512)]
    assert view_summary(steps).count(' + ') == 1


def test_a_transform_of_the_user_answers_for_itself(registered):
    class Mine:
        def view_sizes(self):
            return [(7, 9)]

        def view_summary(self):
            return 'one view'

    assert view_sizes([Mine()]) == [(7, 9)]
    assert view_summary([Mine()]) == 'one view'
