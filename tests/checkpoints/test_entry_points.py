"""Every command that reads a checkpoint: nothing in it runs."""

import ast
import os
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest
import torch
from mmengine.config import Config

import ssl_bench
from ssl_bench.checkpoints.reading import read_training
from ssl_bench.cli import main
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.errors import UserError
from tests.checkpoints.test_reading import Payload
from tests.engine.conftest import config  # noqa: F401

pytestmark = pytest.mark.slow

REFUSED = 'which is not on the list of harmless types'


@pytest.fixture
def marker(tmp_path):
    """A folder that a payload would make."""
    yield tmp_path / 'executed'
    assert not (tmp_path / 'executed').exists()


@pytest.fixture
def evil(tmp_path, marker):
    """A checkpoint whose pickle makes the folder when it is run."""
    path = tmp_path / 'evil.pth'
    torch.save(
        dict(
            state_dict={},
            meta=dict(epoch=1, iter=3),
            message_hub=Payload(marker),
        ),
        path,
    )
    return path


def test_the_payload_would_run(tmp_path):
    """Else the tests below would show nothing."""
    path, mark = tmp_path / 'evil.pth', tmp_path / 'ran'
    torch.save(dict(meta=Payload(mark)), path)
    torch.load(path, weights_only=False)
    assert mark.is_dir()


def test_resume_from_a_file(registered, config, evil, tmp_path):
    with pytest.raises(UserError, match=REFUSED):
        pretrain(config, tmp_path / 'w', resume=str(evil))


def test_automatic_resume(registered, config, evil, tmp_path):
    work = tmp_path / 'w'
    work.mkdir()
    (work / 'epoch_1.pth').write_bytes(evil.read_bytes())
    with pytest.raises(UserError, match=REFUSED):
        pretrain(config, work, resume='auto')


def test_a_resume_does_not_run_the_config_in_the_checkpoint(
    registered, config, marker, tmp_path
):
    first = pretrain(Config(config.to_dict()), tmp_path / 'a')
    content = torch.load(first, weights_only=False)
    content['meta'].update(
        epoch=1, iter=3, config=f'import os\nos.mkdir({str(marker)!r})\n'
    )
    torch.save(content, tmp_path / 'evil.pth')
    last = pretrain(config, tmp_path / 'b', resume=str(tmp_path / 'evil.pth'))
    assert last.name == 'epoch_2.pth'


def test_load_from_and_init_cfg(registered, config, evil):
    from mmengine.model import BaseModule
    from mmengine.runner import load_checkpoint

    from ssl_bench.engine.runner import AtomicRunner

    with pytest.raises(UserError, match=REFUSED):
        load_checkpoint(torch.nn.Linear(1, 1), str(evil))
    module = BaseModule(dict(type='Pretrained', checkpoint=str(evil)))
    with pytest.raises(UserError, match=REFUSED):
        module.init_weights()
    config.update(work_dir=str(evil.parent / 'w'), load_from=str(evil))
    with pytest.raises(UserError, match=REFUSED):
        AtomicRunner.from_cfg(config).train()


def test_addresses(registered, evil, tmp_path, monkeypatch):
    """What mmengine downloads is read by the same reader."""
    from mmengine.runner import load_checkpoint
    from torchvision.models import resnet18

    honest = tmp_path / 'served' / 'r18.pth'
    honest.parent.mkdir()
    torch.save(resnet18().state_dict(), honest)
    (honest.parent / 'evil.pth').write_bytes(evil.read_bytes())
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    handler = partial(QuietHandler, directory=str(honest.parent))
    with HTTPServer(('127.0.0.1', 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f'http://127.0.0.1:{server.server_port}'
        with pytest.raises(UserError, match=REFUSED):
            load_checkpoint(torch.nn.Linear(1, 1), f'{url}/evil.pth')
        model = resnet18()
        load_checkpoint(model, f'{url}/r18.pth', strict=True)
        with pytest.raises(UserError, match='none.pth cannot be downloaded'):
            load_checkpoint(model, f'{url}/none.pth')
        server.shutdown()
    expected = torch.load(honest)['fc.weight']
    assert torch.equal(model.fc.weight, expected)
    assert not (tmp_path / 'hub/checkpoints/none.pth').exists()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder without a log."""

    def log_message(self, *args):
        """Nothing."""


def test_interrupted_transfer(registered, mini_root, source, evil, tmp_path):
    from ssl_bench.transfer.run import Request, locate, run_task

    options = {
        'train_cfg.max_iters': 2,
        'train_cfg.val_interval': 2,
        'train_dataloader.batch_size': 2,
    }
    where = (
        source,
        'mini_seg_fcn',
        0,
        tmp_path / 'w',
        str(mini_root),
        options,
    )
    folder = locate(Request(*where))[1]
    folder.mkdir(parents=True)
    (folder / 'iter_1.pth').write_bytes(evil.read_bytes())
    with pytest.raises(UserError, match=REFUSED):
        run_task(*where)


def test_classifier(registered, evil):
    from ssl_bench.transfer.weights import load_classifier, open_classifier

    with pytest.raises(UserError, match=REFUSED):
        load_classifier(torch.nn.Linear(1, 1), open_classifier(evil))


@pytest.mark.parametrize(
    'words',
    [
        ['convert', '{}', 'out.backbone.safetensors'],
        ['transfer', '{}', '--tasks', 'mini_knn', '--dry-run'],
    ],
)
def test_convert_and_transfer(evil, tmp_path, monkeypatch, capsys, words):
    monkeypatch.chdir(tmp_path)
    assert main([word.format(evil) for word in words]) == 2
    text = capsys.readouterr().err
    assert REFUSED in text and len(text.splitlines()) == 1


def test_pictures_of_views(registered, evil, image_folder):
    from ssl_bench.config import load_config
    from ssl_bench.engine.view_sheet import views_of

    settings = load_config(
        'mini/lewel_m_r18',
        {'train_dataloader.dataset.data_root': str(image_folder)},
    )
    with pytest.raises(UserError, match=REFUSED):
        views_of(settings, 1, evil)


def test_loss_curves_do_not_run_the_config(tmp_path, marker):
    from ssl_bench.results.run_logs import find_runs

    log = tmp_path / 'run/20260101/vis_data/scalars.json'
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "step": 1}\n')
    (tmp_path / 'run/settings.py').write_text(
        f'import os\nos.mkdir({str(marker)!r})\nmethod = dict(name="X")\n'
    )
    assert [run.name for run in find_runs([tmp_path])] == ['X']


def test_truncated_and_foreign_files_to_resume(tmp_path):
    path = tmp_path / 'c.pth'
    torch.save({'a': torch.ones(999)}, path)
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UserError, match='is cut short'):
        read_training(path)
    path.write_bytes((8).to_bytes(8, 'little') + b'{"a":1} ')
    with pytest.raises(UserError, match='of the kind safetensors'):
        read_training(path)


@pytest.mark.parametrize(
    'content, message',
    [
        (dict(a=torch.ones(2)), 'has weights only: a run cannot be continued'),
        ([torch.ones(1)], 'cannot be loaded'),
    ],
)
def test_weights_are_not_a_run(registered, config, tmp_path, content, message):
    torch.save(content, tmp_path / 'c.pth')
    with pytest.raises(UserError, match=f'c.pth {message}'):
        pretrain(config, tmp_path / 'w', resume=str(tmp_path / 'c.pth'))


READERS = {
    'torch': {'load'},
    'pickle': {'load', 'loads', 'Unpickler'},
    'joblib': {'load'},
    'dill': {'load', 'loads'},
    'shelve': {'open'},
    'yaml': {'load', 'unsafe_load', 'full_load', 'load_all'},
    'marshal': {'load', 'loads'},
    'cloudpickle': {'load', 'loads'},
}
NAMES = {
    'load_checkpoint',
    '_load_checkpoint',
    'load_from_local',
    'load_url',
    'load_state_dict_from_url',
    '_safe_torch_load',
    'read_torch',
}
READING = (
    'ssl_bench/checkpoints/reading.py',
    # what another process of the same run has sent, never a file
    'ssl_bench/once_per_node.py',
)


def offences(path):
    """Lines of a module that load objects by themselves."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.attr in READERS.get(node.value.id, ())
        ):
            yield f'{path}:{node.lineno} {node.value.id}.{node.attr}'
        if isinstance(node, ast.ImportFrom):
            module = (node.module or '').split('.')[0]
            for name in node.names:
                if name.name in NAMES | READERS.get(module, set()):
                    yield f'{path}:{node.lineno} import {name.name}'
        if isinstance(node, ast.keyword) and node.arg == 'allow_pickle':
            if not (
                isinstance(node.value, ast.Constant)
                and node.value.value is False
            ):
                yield f'{path}:{node.value.lineno} allow_pickle'


def test_only_the_reader_loads_objects():
    root = Path(ssl_bench.__file__).parents[1]
    found = [
        line
        for folder in ('ssl_bench', 'tools', 'configs')
        for path in sorted((root / folder).rglob('*.py'))
        if path.relative_to(root).as_posix() not in READING
        for line in offences(path)
    ]
    assert found == []


def test_the_search_finds_what_it_should(tmp_path):
    path = tmp_path / 'x.py'
    path.write_text(
        'import torch\nfrom pickle import loads\n'
        'from mmengine.runner import load_checkpoint\n'
        'torch.load("x")\nnp.load("x", allow_pickle=True)\n'
    )
    assert len(list(offences(path))) == 4


@pytest.mark.parametrize('same', ['itself', 'link', 'dots'])
def test_convert_keeps_its_input(tmp_path, resnet18, capsys, same):
    path = tmp_path / 'weights.pth'
    torch.save(resnet18.state_dict(), path)
    before = path.read_bytes()
    output = dict(
        itself=path,
        link=tmp_path / 'l.pth',
        dots=tmp_path / 'x/../weights.pth',
    )[same]
    (tmp_path / 'x').mkdir()
    if same == 'link':
        os.symlink(path, output)
    assert main(['convert', str(path), str(output)]) == 2
    assert 'name another output' in capsys.readouterr().err
    assert path.read_bytes() == before and sorted(
        p.name for p in tmp_path.iterdir()
    ) == sorted({'weights.pth', 'x', *(['l.pth'] if same == 'link' else [])})


def test_convert_replaces_no_file_unasked(tmp_path, resnet18, capsys):
    path, output = tmp_path / 'weights.pth', tmp_path / 'o.safetensors'
    torch.save(resnet18.state_dict(), path)
    output.write_text('mine')
    words = ['convert', str(path), str(output)]
    assert main(words) == 2
    assert 'is there already' in capsys.readouterr().err
    assert output.read_text() == 'mine'
    assert main([*words, '--force']) == 0
    assert main(words) == 2


def test_convert_keeps_a_folder_of_transformers(tmp_path, resnet18, capsys):
    path, folder = tmp_path / 'weights.pth', tmp_path / 'hf'
    torch.save(resnet18.state_dict(), path)
    assert main(['convert', str(path), str(folder), '--to', 'hf']) == 0
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    for source_, output in (
        (folder, folder),
        (folder / 'model.safetensors', folder),
    ):
        assert main(['convert', str(source_), str(output), '--to', 'hf']) == 2
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
