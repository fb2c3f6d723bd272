"""Colour changes: Pillow's pixels, and what a recipe draws."""

import runpy

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from torchvision.transforms import functional as on_pillow

from ssl_bench.data.photometric import build_photometric, on_image
from ssl_bench.errors import UserError

JITTER = dict(
    type='ColorJitter', brightness=0.4, contrast=0.3, saturation=0.2, hue=0.1
)
CHAIN = [
    dict(type='RandomApply', p=0.8, transforms=[JITTER]),
    dict(type='RandomGrayscale', p=0.2),
    dict(type='RandomGaussianBlur', sigma=(0.1, 2.0), p=0.5),
    dict(type='RandomSolarize', threshold=128, p=0.1),
]


def pictures(photo, count, seed=0):
    """Crops of a photograph and noise, of any size from one pixel."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        height, width = rng.integers(1, 70, 2)
        if i % 2:
            yield rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        else:
            top, left = rng.integers(0, 150, 2)
            yield np.ascontiguousarray(
                photo[top : top + height, left : left + width]
            )


def difference(ours, pillow):
    return int(np.abs(ours.astype(int) - np.asarray(pillow)).max())


@pytest.mark.parametrize('name', ['brightness', 'contrast', 'saturation'])
def test_blends_are_pillow_s(photo, name):
    """Also factors at which float32 is not enough, and those from 2 on."""
    rng = np.random.default_rng(1)
    factors = [0, 0.25, 0.5, 0.9, 1, 1.1, 1.5, 1.75, 2, 2.5, 4]
    factors += rng.uniform(0, 2, 89).tolist()
    for image, factor in zip(pictures(photo, 100), factors, strict=True):
        ours = getattr(on_image, name)(image, factor)
        pillow = getattr(on_pillow, f'adjust_{name}')(
            Image.fromarray(image), factor
        )
        assert difference(ours, pillow) == 0, (factor, image.shape)


def test_grey_is_pillow_s(photo):
    for image in pictures(photo, 60):
        grey = Image.fromarray(image).convert('L').convert('RGB')
        assert difference(on_image.grayscale(image), grey) == 0


def test_hue_is_pillow_s(photo):
    rng = np.random.default_rng(2)
    factors = [-0.5, 0, 0.5, *rng.uniform(-0.5, 0.5, 27)]
    for image, factor in zip(pictures(photo, 30), factors, strict=True):
        pillow = on_pillow.adjust_hue(Image.fromarray(image), factor)
        assert difference(on_image.hue(image, factor), pillow) == 0


def test_blur_is_pillow_s(photo):
    """Also of boxes that are larger than the image."""
    rng = np.random.default_rng(3)
    sigmas = [i / 10 for i in range(31)] + rng.uniform(0.1, 9, 29).tolist()
    for image, sigma in zip(pictures(photo, 60), sigmas, strict=True):
        pillow = Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma))
        assert difference(on_image.blur(image, sigma), pillow) == 0, sigma


def test_solarisation_is_pillow_s(photo):
    for image, level in zip(pictures(photo, 8), [0, 1, 77, 128, 255, 256, 3]):
        pillow = on_pillow.solarize(Image.fromarray(image), level)
        assert difference(on_image.solarize(image, level), pillow) == 0


@pytest.mark.parametrize('name', ['jitter', 'blur', 'grayscale', 'invert'])
def test_any_layout_of_memory_gives_the_same(photo, name):
    values = dict(
        jitter=(3, 1, 0, 2, 1.3, 0.7, 1.2, 0.1), blur=(1.3,), invert=()
    ).get(name, ())
    function = getattr(on_image, name)
    image = np.ascontiguousarray(photo[:40, :50])
    wanted = function(image, *values)
    planes = np.ascontiguousarray(image.transpose(2, 0, 1))
    fixed = image.copy()
    fixed.flags.writeable = False
    for other in (planes.transpose(1, 2, 0), photo[:40, :50], fixed):
        assert np.array_equal(function(other, *values), wanted)


def test_kernels_compile_where_no_folder_can_be_written_to(monkeypatch):
    kernels = on_image.compiled_kernels()
    numba_s = kernels.njit

    def njit(signature=None, cache=False, **options):
        if cache:
            raise RuntimeError('cannot cache function')
        return numba_s(signature, **options)

    monkeypatch.setattr(kernels, 'njit', njit)
    double = kernels.compiled('int64(int64)')(lambda number: 2 * number)
    assert double(4) == 8


@pytest.mark.parametrize('ending', ['nbi', 'nbc'])
@pytest.mark.parametrize('left', [0, 100], ids=['empty', 'cut'])
def test_a_damaged_file_of_a_kernel_is_written_anew(
    tmp_path, monkeypatch, ending, left
):
    monkeypatch.delenv('NUMBA_CACHE_DIR', raising=False)
    module = tmp_path / 'doubled.py'
    module.write_text(
        'from ssl_bench.data.photometric.kernels import compiled\n'
        "@compiled('int64(int64)')\n"
        'def double(number):\n'
        '    return 2 * number\n'
    )
    assert runpy.run_path(str(module))['double'](4) == 8
    (kept,) = tmp_path.rglob(f'*.{ending}')
    whole = kept.stat().st_size
    kept.write_bytes(kept.read_bytes()[:left])
    assert runpy.run_path(str(module))['double'](5) == 10
    assert kept.stat().st_size == pytest.approx(whole, abs=64)


@pytest.fixture
def no_numba(monkeypatch):
    """A machine whose numba fails when it is imported."""
    wrong = ImportError('Numba needs NumPy 2.5 or less.\nGot NumPy 2.6.')

    def fails():
        raise wrong

    monkeypatch.setattr(on_image, 'compiled_kernels', fails)
    on_image.compiles.cache_clear()
    yield
    on_image.compiles.cache_clear()


def test_without_numba_pillow_gives_the_same_pixels(
    photo, no_numba, monkeypatch
):
    """With one line, which says what to install."""
    said = []
    monkeypatch.setattr(on_image, 'print_log', lambda *args: said.append(args))
    steps = [JITTER, dict(type='RandomInvert', p=0.5), *CHAIN]
    recipe = build_photometric(steps)
    torch.manual_seed(7)
    drawn = [recipe.draw() for _ in range(40)]
    images = [*pictures(photo, 40)]
    by_pillow = [*map(recipe.on_image, images, drawn)]
    ((line, *_),) = said
    assert 'Got NumPy 2.6' in line and "'numba>=0.61'" in line
    assert '\n' not in line
    for image, numbers, pixels in zip(images, drawn, by_pillow, strict=True):
        planes = np.ascontiguousarray(image.transpose(2, 0, 1))
        batch = recipe.on_batch(torch.from_numpy(planes)[None], numbers[None])
        assert np.array_equal(batch[0].permute(1, 2, 0).numpy(), pixels)


def test_changes_leave_their_input_alone(photo):
    image = np.ascontiguousarray(photo[:40, :50])
    recipe = build_photometric(
        [
            JITTER,
            dict(type='RandomGrayscale', p=1),
            dict(type='RandomGaussianBlur', p=1),
        ]
    )
    before = image.copy()
    recipe(torch.from_numpy(image).permute(2, 0, 1))
    assert np.array_equal(image, before)


def test_a_draw_alone_decides_the_pixels(photo):
    image = np.ascontiguousarray(photo[:60, :80])
    recipe = build_photometric(CHAIN)
    torch.manual_seed(5)
    drawn = [recipe.draw() for _ in range(8)]
    assert all(d.shape == (recipe.width,) for d in drawn)
    assert recipe.width == 9 + 1 + 2 + 2
    first = [recipe.on_image(image, d) for d in drawn]
    torch.manual_seed(6)
    again = [recipe.on_image(image, d) for d in drawn]
    assert all(map(np.array_equal, first, again))
    torch.manual_seed(5)
    assert all(torch.equal(recipe.draw(), d) for d in drawn)


def test_how_often_and_how_far(photo):
    """Probabilities, bounds and all 24 orders of the jitter."""
    recipe = build_photometric(CHAIN)
    torch.manual_seed(0)
    drawn = torch.stack([recipe.draw() for _ in range(4000)])
    flags = drawn[:, [0, 9, 10, 12]].mean(0)
    wanted = torch.tensor([0.8, 0.2, 0.5, 0.1], dtype=torch.float64)
    assert (flags - wanted).abs().max() < 0.03
    orders, counts = drawn[:, 1:5].unique(dim=0, return_counts=True)
    assert len(orders) == 24 and counts.min() > 100
    widths = [JITTER[name] for name in list(JITTER)[1:]]
    wide = torch.tensor(widths, dtype=torch.float64)
    centre = torch.tensor([1, 1, 1, 0])
    low, high = centre - wide, centre + wide
    factors = (drawn[:, 5:9] - low) / (high - low)
    assert factors.min() >= 0 and factors.max() <= 1
    assert (factors.mean(0) - 0.5).abs().max() < 0.03
    sigma = (drawn[:, 11] - 0.1) / 1.9
    assert sigma.min() >= 0 and sigma.max() <= 1
    assert abs(sigma.mean() - 0.5) < 0.03
    assert drawn[:, 13].unique().tolist() == [128]


def test_apply_is_one_chance_for_all_its_steps():
    both = [dict(type='RandomInvert', p=1), dict(type='RandomGrayscale', p=1)]
    recipe = build_photometric(
        [dict(type='RandomApply', p=0.5, transforms=both)]
    )
    drawn = {tuple(recipe.draw().tolist()) for _ in range(60)}
    assert drawn == {(0.0, 0.0), (1.0, 1.0)}


def test_a_jitter_leaves_out_what_has_no_range():
    recipe = build_photometric([dict(type='ColorJitter', hue=(0.2, 0.2))])
    drawn = recipe.draw().tolist()
    assert sorted(drawn[1:5]) == [-1, -1, -1, 3] and drawn[8] == 0.2


def test_steps_apply_in_order():
    image = torch.full((3, 8, 8), 10, dtype=torch.uint8)
    steps = build_photometric(
        [
            dict(type='RandomInvert', p=1.0),  # 245
            dict(
                type='RandomApply',
                p=1.0,
                transforms=[dict(type='RandomSolarize', threshold=200, p=1.0)],
            ),
            lambda x: x + 1,
            dict(type='RandomPosterize', bits=8, p=1.0),  # torchvision's
        ]
    )
    assert (steps(image) == 11).all()


@pytest.mark.parametrize(
    'step, message',
    [
        (dict(type='ColourJitter'), 'ColorJitter'),
        (dict(type='ColorJitter', bright=1), 'bright'),
        (dict(type='ColorJitter', hue=0.6), 'hue 0.6'),
        (dict(type='ColorJitter', contrast=(2, 1)), r'contrast \(2, 1\)'),
        (dict(type='RandomGrayscale', p=20), 'probability 20'),
        (dict(type='RandomGaussianBlur', sigma=(2, 1)), r'sigma \(2, 1\)'),
        (dict(type='RandomApply', prob=1), 'prob'),
    ],
)
def test_mistakes_are_named(step, message):
    with pytest.raises(UserError, match=message):
        build_photometric([step])


def test_a_callable_has_no_batches():
    recipe = build_photometric([lambda x: x])
    with pytest.raises(UserError, match="photometric = 'worker'"):
        recipe.on_batch(torch.zeros(1, 3, 4, 4, dtype=torch.uint8), None)
