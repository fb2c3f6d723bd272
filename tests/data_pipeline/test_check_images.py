"""What a pretraining cannot use in a folder, listed before it runs."""

import os
import shutil

import pytest
from PIL import Image

from ssl_bench.cli import main
from ssl_bench.data import check_images as module
from ssl_bench.data import each_image
from ssl_bench.data.check_images import check_images
from ssl_bench.errors import UserError
from ssl_bench.files import PILLOW_ENDINGS
from ssl_bench.pixels import FORMATS


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
    monkeypatch.setattr(each_image, 'CHUNK', 5)
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
        '1 .heic, 1 without ending, 7 hidden; pixels: 120 x 90 the smallest, '
        '120 x 90 the median, 120 x 90 the largest. '
    )
    for name in ('03.jpg', '05.jpg'):
        (spoilt / name).unlink()
    assert main(['data', 'check-images', str(spoilt), '--jobs', '1']) == 0
    assert main(['data', 'check-images', str(spoilt / 'none')]) == 2
    assert main(['data', 'check-images', str(spoilt), '--jobs', '0']) == 2


def end(*image):
    os._exit(1)


def test_a_process_that_is_killed_is_one_line(image_folder, monkeypatch):
    monkeypatch.setattr(each_image, 'CHUNK', 5)
    monkeypatch.setattr(module, 'check_image', end)
    with pytest.raises(UserError, match='was killed.* --jobs 1'):
        check_images(image_folder, 2)


def paint(path, size, colour=0):
    """An image of one colour; its format is that of the ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size, (colour, 0, 0)).save(path)


def test_endings_are_all_that_pillow_reads_of_our_formats():
    Image.init()
    known = {
        ending
        for ending, kind in Image.registered_extensions().items()
        if kind in FORMATS
    }
    # .pfm has 32-bit pixels, which are refused
    assert known - {'.pfm'} == set(PILLOW_ENDINGS)


def test_a_look_says_endings_sizes_faults_and_what_it_looked_at(tmp_path):
    root = tmp_path / 'my images'
    for number, name in enumerate(('a.gif', 'b/c.jp2', 'b/d/e.jfif', 'f.PNG')):
        paint(root / name, (10 + number, 20), 60 * number)
    shutil.copy(root / 'f.PNG', root / 'g.png')
    (root / 'h.webp').write_bytes(b'no image')
    (tmp_path / 'far').mkdir()
    paint(tmp_path / 'far/i.bmp', (7, 5))
    os.symlink(tmp_path / 'far', root / 'link')
    found = module.look_at_images(root)
    assert [*module.faults(found)] == [
        'copy: g.png has the content of f.PNG',
        'broken: h.webp: it is not an image',
    ]
    assert module.summary(found) == (
        f'{root}: 7 images (2 .png, 1 .bmp, 1 .gif, 1 .jfif, 1 .jp2, 1 .webp)'
        ', 1 broken, 1 copies; left out: no other ending; pixels: 7 x 5 the '
        'smallest, 12 x 20 the median, 13 x 20 the largest'
    )
    some = module.look_at_images(root, most=3)
    assert some.looked == 3 and len(some.images) == 7
    text = module.summary(some)
    assert 'among the 3 that were looked at; left out' in text
    assert f"`ssl-bench data check-images '{root}'` reads all" in text
    assert module.look_at_images(root, most=3).sizes == some.sizes
    assert module.look_at_images(root, seconds=0).looked == 1
    assert [*module.faults(found, 0)] == ['... and 1 more'] * 2


def test_a_folder_that_nothing_can_be_learnt_from(tmp_path):
    (tmp_path / 'a.txt').touch()
    with pytest.raises(UserError, match='no image.*1 .txt.*Name the folder'):
        module.look_at_images(tmp_path)
    paint(tmp_path / 'a.png', (4, 4))
    with pytest.raises(UserError, match='one image alone, a.png.*name a fol'):
        module.look_at_images(tmp_path)
    for name in ('a.png', 'b.png'):
        (tmp_path / name).write_bytes(b'no image')
    with pytest.raises(UserError, match='none of 2 files .* a.png: it is not'):
        module.look_at_images(tmp_path)
