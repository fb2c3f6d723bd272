"""The linear probe's crop: one draw, cut to the image."""

import math

import numpy as np
import pytest

from ssl_bench.transfer.plan import make_plan


@pytest.fixture
def one_try(registered):
    """The crop of SiameseIM's linear probe, with settings of one's own."""
    from mmpretrain.registry import TRANSFORMS

    step = make_plan(
        'in1k_linear', recipe='siamese_im'
    ).config.train_dataloader.dataset.pipeline[1]
    return lambda **settings: TRANSFORMS.build({**step, **settings})


def coordinates(height, width):
    """An image whose channels are row, column and nothing."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([rows, columns, 0 * rows], -1)


def test_a_side_too_long_is_cut_and_the_place_is_random(one_try):
    """200 x 200 asked of 50 rows; mmpretrain would take the middle 50 x 50."""
    crop = one_try(
        scale=(50, 200),
        crop_ratio_range=(3.2, 3.2),
        aspect_ratio_range=(1.0, 1.0),
    )
    np.random.seed(0)
    image, lefts = coordinates(50, 250), set()
    for _ in range(400):
        view = crop(dict(img=image))['img']
        left = view[0, 0, 1]
        assert np.array_equal(view, image[:, left : left + 200])
        lefts.add(int(left))
    assert lefts == set(range(51))


@pytest.mark.parametrize('size', [(375, 500), (500, 120), (9, 300), (4, 4)])
def test_boxes_are_those_of_one_draw(one_try, size):
    """Two numbers for a shape and two for a place, whatever they are."""
    crop, image = one_try(), np.zeros((*size, 3), np.uint8)
    cuts = 0
    for seed in range(300):
        np.random.seed(seed)
        area = np.random.uniform(0.08, 1.0) * size[0] * size[1]
        aspect = math.exp(np.random.uniform(math.log(3 / 4), math.log(4 / 3)))
        asked = (round((area / aspect) ** 0.5), round((area * aspect) ** 0.5))
        want = tuple(
            min(max(side, 1), most) for side, most in zip(asked, size)
        )
        place = tuple(
            np.random.randint(0, most - side + 1)
            for side, most in zip(want, size)
        )
        np.random.seed(seed)
        assert crop.rand_crop_params(image) == place + want
        cuts += want != asked
    assert cuts > 0


def test_the_recipes_of_the_vits_have_it():
    kinds = {
        recipe: make_plan(
            'in1k_linear', recipe=recipe
        ).config.train_dataloader.dataset.pipeline[1]
        for recipe in (None, 'siamese_im', 'mae')
    }
    assert {name: step.type for name, step in kinds.items()} == {
        None: 'RandomResizedCrop',
        'siamese_im': 'OneTryCrop',
        'mae': 'OneTryCrop',
    }
    assert kinds['siamese_im'].interpolation == 'bicubic'
    assert kinds['mae'].interpolation == 'bicubic'
