"""What a pretraining cannot use in a folder, listed before it runs."""

import os
import shutil

import pytest

from ssl_bench.cli import main
from ssl_bench.data import check_images as module
from ssl_bench.data.check_images import check_images
from ssl_bench.errors import UserError


@pytest.fixture
def spoilt(image_folder):
    """Twelve images, and what else may be there."""
    (image_folder / '03.jpg').write_bytes(b'no image')
    content = (image_folder / '05.jpg').read_bytes()
    (image_folder / '05.jpg').write_bytes(content[: len(content) // 2])
    (image_folder / 'b').mkdir()
    shutil.copy(image_folder / '01.jpg', image_folder / 'b/same.JPG')
    (image_folder / 'a.heic').touch()
    (image_folder / 'list').touch()
    for hidden in ('.ipynb_checkpoints', '@eaDir', '__MACOSX'):
        (image_folder / hidden).mkdir()
        shutil.copy(image_folder / '01.jpg', image_folder / hidden)
    (image_folder / '._01.jpg').touch()
    os.symlink('nowhere', image_folder / 'link.jpg')
    os.symlink('..', image_folder / 'b/back')
    os.symlink('self', image_folder / 'self')
    return image_folder


@pytest.mark.parametrize('jobs', [1, 2])
def test_everything_that_a_run_would_not_use(spoilt, monkeypatch, jobs):
    monkeypatch.setattr(module, 'CHUNK', 5)
    seen = []
    found = check_images(spoilt, jobs, lambda *step: seen.append(step))
    assert len(found.images) == 13 and seen[-1] == (13, 13)
    assert found.others == ['a.heic', 'list']
    assert found.hidden == [
        '._01.jpg',
        '.ipynb_checkpoints',
        '@eaDir',
        '__MACOSX',
        'b/back',
        'link.jpg',
        'self',
    ]
    assert found.broken.keys() == {'03.jpg', '05.jpg'}
    assert found.broken['03.jpg'] == 'it is not an image'
    assert 'truncated' in found.broken['05.jpg']
    assert found.copies == {'b/same.JPG': '01.jpg'}


def test_the_command_lists_them_and_says_it_in_its_exit_code(spoilt, capsys):
    assert main(['data', 'check-images', str(spoilt), '--jobs', '1']) == 1
    lines = capsys.readouterr().out.splitlines()
    assert 'broken: 03.jpg: it is not an image' in lines
    assert 'left out: a.heic' in lines
    assert 'left out: @eaDir (hidden, or a link to nowhere)' in lines
    assert 'copy: b/same.JPG has the content of 01.jpg' in lines
    assert lines[-1].startswith(
        f'{spoilt}: 13 images (13 .jpg), 2 broken, 1 copies; left out: '
        '1 .heic, 1 without ending, 7 hidden. '
    )
    for name in ('03.jpg', '05.jpg'):
        (spoilt / name).unlink()
    assert main(['data', 'check-images', str(spoilt), '--jobs', '1']) == 0
    assert main(['data', 'check-images', str(spoilt / 'none')]) == 2
    assert main(['data', 'check-images', str(spoilt), '--jobs', '0']) == 2


def end(*image):
    os._exit(1)


def test_a_process_that_is_killed_is_one_line(image_folder, monkeypatch):
    monkeypatch.setattr(module, 'CHUNK', 5)
    monkeypatch.setattr(module, 'check_image', end)
    with pytest.raises(UserError, match='was killed.* --jobs 1'):
        check_images(image_folder, 2)
