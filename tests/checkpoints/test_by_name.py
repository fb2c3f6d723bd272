"""Published weights by name: from the libraries' caches, and nothing else."""

import hashlib
import json
import os
from urllib.error import URLError

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants, errors
from safetensors.torch import save_file

from ssl_bench.checkpoints import read_backbone, write_backbone
from ssl_bench.checkpoints.by_name import find_public, is_public
from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.published import ENTRIES
from ssl_bench.checkpoints.reading import file_sha256
from ssl_bench.checkpoints.timm_nets import from_header
from ssl_bench.cli import main
from ssl_bench.errors import UserError
from ssl_bench.transfer.source import open_source

from .families import randomise

COMMIT = '0123456789abcdef0123456789abcdef01234567'


@pytest.fixture(autouse=True)
def caches(tmp_path, monkeypatch):
    """Empty caches, and no network."""
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'hub'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    for name in list(os.environ):
        if name.lower().endswith('_proxy'):
            monkeypatch.delenv(name)

    def unknown(*args, **kwargs):
        raise OSError('Name or service not known')

    monkeypatch.setattr('socket.getaddrinfo', unknown)
    return tmp_path


def put(caches, repo, files, commit=COMMIT, ref='main'):
    """A snapshot as huggingface_hub keeps it: links into a folder of blobs."""
    root = caches / 'hub' / ('models--' + repo.replace('/', '--'))
    snapshot = root / 'snapshots' / commit
    for folder in (snapshot, root / 'blobs', root / 'refs'):
        folder.mkdir(parents=True, exist_ok=True)
    (root / 'refs' / ref).write_text(commit)
    for name, content in files.items():
        blob = root / 'blobs' / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / name).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


def safetensors(tensors, path):
    save_file({n: t.contiguous() for n, t in tensors.items()}, path)
    return path.read_bytes()


@pytest.fixture
def dinov2(tmp_path):
    """A tiny Dinov2Model and the files that it saves."""
    transformers = pytest.importorskip('transformers')
    model = randomise(
        transformers.Dinov2Model(
            transformers.Dinov2Config(
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=4,
                image_size=56,
                patch_size=14,
            )
        )
    )
    model.save_pretrained(tmp_path / 'saved', max_shard_size='40KB')
    files = {p.name: p.read_bytes() for p in (tmp_path / 'saved').iterdir()}
    assert 'model.safetensors.index.json' in files
    return model, files


def test_names_are_told_from_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_public('timm:resnet50.a1_in1k')
    assert is_public('hf:owner/repo@main')
    assert not is_public('hf:')
    assert not is_public('https://x.org/a.pth')
    assert not is_public('model.pth')
    (tmp_path / 'hf:odd').write_text('')
    assert not is_public('hf:odd')


def test_a_repository_of_the_hub_in_parts(caches, dinov2):
    model, files = dinov2
    put(caches, 'facebook/tiny', files)
    backbone, _ = convert('hf:facebook/tiny')
    assert backbone.meta['source_name'] == 'hf:facebook/tiny'
    assert backbone.meta['source_revision'] == COMMIT
    assert backbone.meta['source_sha256'] == file_sha256(caches / 'saved')
    assert backbone.meta['method'] == 'DINOv2'
    net = from_header(backbone.meta['arch_args']).build().eval()
    net.load_state_dict(backbone.state, strict=True)
    images = torch.rand(1, 3, 56, 56)
    with torch.no_grad():
        wanted = model(images).last_hidden_state
        assert torch.allclose(net.forward_features(images), wanted, atol=1e-5)


def test_a_revision_by_name_and_by_commit(caches, dinov2):
    _, files = dinov2
    put(caches, 'facebook/tiny', files, ref='v2')
    for revision in ('v2', COMMIT):
        named = find_public(f'hf:facebook/tiny@{revision}')
        assert named.revision == COMMIT
    with pytest.raises(UserError, match='in no cache'):
        find_public('hf:facebook/tiny')  # there is no main


@pytest.mark.parametrize(
    'lost', ['config.json', 'model-00002-of-00005.safetensors']
)
def test_half_a_snapshot_is_not_taken(caches, dinov2, lost):
    _, files = dinov2
    names = sorted(name for name in files if '-of-' in name)
    lost = names[1] if '-of-' in lost else lost
    put(caches, 'facebook/tiny', {n: c for n, c in files.items() if n != lost})
    with pytest.raises(UserError, match='in no cache and cannot be fetched'):
        convert('hf:facebook/tiny')


def test_without_a_network_it_is_said_where_to_put_the_file(caches, capsys):
    assert main(['convert', 'hf:facebook/dinov2-small', 'out.st']) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert 'facebook/dinov2-small is in no cache' in said
    assert 'Name or service not known' in said
    assert 'models--facebook--dinov2-small' in said
    assert str(caches / 'hub') in said
    assert 'model.safetensors and config.json to a folder' in said


def test_offline_by_the_users_wish(monkeypatch):
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    with pytest.raises(UserError, match='HF_HUB_OFFLINE is set'):
        find_public('hf:owner/repo')


class Hub:
    """In place of the network: a repository as hf_hub_download gives it."""

    def __init__(self, caches, files):
        self.caches, self.files, self.asked = caches, files, []

    def __call__(self, repo, name, revision=None):
        self.asked.append((name, revision))
        if name not in self.files:
            raise answered(errors.EntryNotFoundError)
        folder = put(self.caches, repo, {})
        if not (folder / name).exists():
            put(self.caches, repo, {name: self.files[name]})
        return str(folder / name)


def answered(kind):
    """An error as the library raises it, without an answer of a server."""
    error = kind.__new__(kind)
    Exception.__init__(error, 'long\ntext')
    return error


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr('socket.getaddrinfo', lambda *args: [])

    def use(hub):
        monkeypatch.setattr(huggingface_hub, 'hf_hub_download', hub)
        return hub

    return use


def test_only_weights_and_json_are_fetched(caches, dinov2, online):
    _, files = dinov2
    others = {'modeling.py': b'raise SystemExit', 'pytorch_model.bin': b'x'}
    hub = online(Hub(caches, files | others))
    named = find_public('hf:facebook/tiny')
    assert named.revision == COMMIT
    assert {name for name, _ in hub.asked} == {
        'model.safetensors',
        'preprocessor_config.json',
        *files,
    }
    # all files after the first are of the commit that this one had
    assert {rev for _, rev in hub.asked[2:]} == {COMMIT}
    hub.asked.clear()
    assert find_public('hf:facebook/tiny') == named
    assert hub.asked == []  # the cache has it


def raising(error):
    def download(*args, **kwargs):
        raise error

    return download


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (errors.RepositoryNotFoundError, 'no repository owner/repo, or'),
        (errors.GatedRepoError, 'behind terms of use: accept them at'),
        (errors.RevisionNotFoundError, "no revision 'v9'"),
    ],
)
def test_what_the_hub_answers_is_one_line(online, error, said):
    online(raising(answered(error)))
    with pytest.raises(UserError) as caught:
        find_public('hf:owner/repo@v9')
    assert said in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', ['hf:a/b/c', 'hf:a b/c'])
def test_names_that_the_hub_cannot_have(name, online, caches):
    online(huggingface_hub.hf_hub_download)
    with pytest.raises(UserError) as caught:
        find_public(name)
    assert '\n' not in str(caught.value)


def test_a_repository_without_weights(caches, online):
    online(Hub(caches, {'README.md': b'hello'}))
    with pytest.raises(UserError, match='none of model.safetensors'):
        find_public('hf:owner/repo')


def test_a_repository_of_another_library(caches, tmp_path):
    content = safetensors({'lstm.weight': torch.ones(2)}, tmp_path / 'x.st')
    config = json.dumps(dict(model_type='bert')).encode()
    put(
        caches,
        'owner/bert',
        {'model.safetensors': content, 'config.json': config},
    )
    with pytest.raises(UserError, match='of its 1 tensors: lstm.weight'):
        convert('hf:owner/bert')


def test_a_file_that_was_cut_short(caches, dinov2):
    _, files = dinov2
    name = sorted(name for name in files if '-of-' in name)[0]
    files[name] = files[name][:-100]
    put(caches, 'facebook/tiny', files)
    with pytest.raises(UserError, match='cut short'):
        convert('hf:facebook/tiny')


def timm_file(caches, name, tmp_path):
    import timm

    model = randomise(timm.create_model(name))
    content = safetensors(model.state_dict(), tmp_path / 'x.st')
    tag = timm.get_pretrained_cfg(name).tag
    put(caches, f'timm/{name}.{tag}', {'model.safetensors': content})
    return model


@pytest.mark.parametrize(
    ('name', 'pool'),
    [
        ('test_convnext', 'pooled_map'),
        ('test_vit', 'class_token'),
        ('test_resnet', 'pooled_map'),
    ],
)
def test_timms_weights(caches, tmp_path, name, pool):
    model = timm_file(caches, name, tmp_path)
    backbone, _ = convert(f'timm:{name}')
    meta = backbone.meta
    assert meta['source_name'] == f'timm:{name}'
    assert meta['source_revision'] == COMMIT
    assert meta['arch_args']['model'] == name
    assert meta['arch_args']['pool'] == pool
    net = from_header(meta['arch_args']).build().eval()
    net.load_state_dict(backbone.state, strict=True)
    images = torch.rand(1, 3, 160, 160)
    with torch.no_grad():
        wanted = model.forward_features(images)
        assert torch.equal(net.forward_features(images), wanted)


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('timm:resnet500', 'timm has no network .*mean resnet50'),
        ('timm:resnet50.a1_in2k', 'no weights .*resnet50.a1_in1k'),
        ('timm:swin_s3', 'timm has no network .*swin_s3'),
        ('timm:nothing/like this', 'timm has no network'),
    ],
)
def test_timms_names_that_do_not_exist(name, said):
    with pytest.raises(UserError, match=said) as caught:
        find_public(name)
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_name_and_an_arch_that_contradict_each_other(caches, tmp_path):
    timm_file(caches, 'test_convnext', tmp_path)
    with pytest.raises(UserError, match='holds test_convnext, not resnet50'):
        convert('timm:test_convnext', arch='resnet50')


def test_an_entry_of_torch_hub_in_its_cache(caches):
    from torchvision.models import resnet50

    folder = caches / 'torch/hub/checkpoints'
    folder.mkdir(parents=True)
    model = resnet50()
    model.fc = torch.nn.Identity()
    torch.save(model.state_dict(), folder / 'dino_resnet50_pretrain.pth')
    name = 'torchhub:facebookresearch/dino:main:dino_resnet50'
    backbone, _ = convert(name)
    assert backbone.meta['method'] == 'DINO'
    assert backbone.meta['source_name'] == name
    assert backbone.meta['source_revision'] == (
        'https://dl.fbaipublicfiles.com/dino/dino_resnet50_pretrain/'
        'dino_resnet50_pretrain.pth'
    )
    assert backbone.meta['sources']['method'] == 'the name given'


def test_an_entry_that_is_not_there_is_not_fetched(caches, monkeypatch):
    def fail(url, part, mark, progress):
        raise URLError('no network')

    monkeypatch.setattr(torch.hub, 'download_url_to_file', fail)
    with pytest.raises(UserError) as caught:
        find_public('torchhub:facebookresearch/dinov2:dinov2_vits14_reg')
    said = str(caught.value)
    assert 'dinov2_vits14_reg4_pretrain.pth cannot be downloaded' in said
    assert str(caches / 'torch/hub/checkpoints') in said
    assert '\n' not in said


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('torchhub:someone/repo:entry', 'nothing foreign is run here'),
        ('torchhub:entry', 'nothing foreign is run here'),
        (
            'torchhub:facebookresearch/dinov2:dinov2_vits16',
            'Did you mean dinov2_vits14',
        ),
    ],
)
def test_entries_that_are_not_known(name, said):
    with pytest.raises(UserError, match=said):
        find_public(name)


def test_the_published_addresses():
    """Spot checks of what the repositories' own files state."""
    dinov3 = ENTRIES['facebookresearch/dinov3']
    assert dinov3.base + dinov3.files['dinov3_vith16plus'] == (
        'https://dl.fbaipublicfiles.com/dinov3/dinov3_vith16plus/'
        'dinov3_vith16plus_pretrain_lvd1689m-7c1da9a5.pth'
    )
    dinov2 = ENTRIES['facebookresearch/dinov2']
    assert dinov2.files['dinov2_vitg14_reg'] == (
        'dinov2_vitg14/dinov2_vitg14_reg4_pretrain.pth'
    )
    dino = ENTRIES['facebookresearch/dino']
    assert dino.files['dino_vits8'] == (
        'dino_deitsmall8_pretrain/dino_deitsmall8_pretrain.pth'
    )
    assert [len(row.files) for row in ENTRIES.values()] == [9, 8, 10]


def test_a_source_and_its_record_say_where_the_weights_are_from(
    caches, tmp_path
):
    timm_file(caches, 'test_convnext', tmp_path)
    source = open_source('timm:test_convnext', tmp_path / 'work')
    found = source.pretrain()
    assert found['source_name'] == 'timm:test_convnext'
    assert found['source_revision'] == COMMIT
    (written,) = (tmp_path / 'work').glob('*.backbone.safetensors')
    again = open_source(written, tmp_path / 'work').pretrain()
    assert again['source_revision'] == COMMIT
    backbone = read_backbone(written)
    backbone.meta.pop('source_name')
    backbone.meta.pop('source_revision')
    write_backbone(tmp_path / 'x.backbone.safetensors', backbone)
    old = open_source(tmp_path / 'x.backbone.safetensors', tmp_path)
    assert 'source_name' not in old.pretrain()
