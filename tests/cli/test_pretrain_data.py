"""`ssl-bench pretrain --data`: own images, what is said of them first."""

import pytest

from ssl_bench.cli import main
from ssl_bench.cli import pretrain as command
from ssl_bench.errors import UserError

pytestmark = pytest.mark.slow
SMALL = [
    '--cfg-options',
    'train_dataloader.batch_size=4',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
    'model.queue_len=8',
]


def run(*words):
    return main(['pretrain', 'mini/mocov2_r18', *words])


def test_a_run_on_own_images_and_its_resume(image_folder, tmp_path, capsys):
    work = tmp_path / 'work'
    (image_folder / 'b').mkdir()
    (image_folder / '01.jpg').rename(image_folder / 'b/01.jpg')
    packed = tmp_path / 'set.zip'
    assert main(['data', 'pack', str(image_folder), str(packed)]) == 0
    for data, epochs, more in ((image_folder, 1, ()), (packed, 2, ('auto',))):
        capsys.readouterr()
        words = ('--data', str(data), '--work-dir', str(work), '--quiet')
        resume = ('--resume', *more) if more else ()
        assert (
            run(*words, *resume, *SMALL, f'train_cfg.max_epochs={epochs}') == 0
        )
        said = capsys.readouterr().out.splitlines()
        assert said[0] == (
            f'{data}: 12 images (12 .jpg), 0 broken, 0 copies; left out: no '
            'other ending; pixels: 120 x 90 the smallest, 120 x 90 the '
            'median, 120 x 90 the largest'
        )
        assert said[-2] == str(work / f'epoch_{epochs}.pth')


def test_fewer_images_than_a_batch(image_folder, tmp_path, capsys):
    words = ('--data', str(image_folder), '--work-dir', str(tmp_path / 'w'))
    assert run(*words, '--quiet') == 2
    said = capsys.readouterr()
    assert '12 images do not fill a global batch of 64. Take' in said.err
    assert said.out.count('\n') == 1  # what was looked at


def test_more_broken_images_than_a_run_takes(image_folder, capsys):
    (image_folder / '03.jpg').write_bytes(b'no image')
    dataset = dict(data_root=str(image_folder))
    with pytest.raises(UserError, match='1 of 12 images.*more than 1 %.*take'):
        command._say_images(dataset)
    assert 'broken: 03.jpg: it is not an image' in capsys.readouterr().out
    command._say_images(dataset | dict(unreadable_limit=0.1))
