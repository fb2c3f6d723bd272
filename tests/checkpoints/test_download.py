"""Checkpoints by address: whole files under names of their own."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch

from ssl_bench.checkpoints.download import cached_name, download
from ssl_bench.errors import UserError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def site(tmp_path):
    """An address, and the folder of what it gives."""
    folder = tmp_path / 'site'
    for name in ('a', 'b'):
        (folder / name).mkdir(parents=True)
        torch.save({name: torch.ones(2)}, folder / name / 'model.pth')
    (folder / 'page.pth').write_text('<!DOCTYPE html><html>sign in</html>')
    server = ThreadingHTTPServer(
        ('127.0.0.1', 0), partial(Quiet, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}', folder
    server.shutdown()
    server.server_close()


def get(url, folder):
    return download(url, folder, progress=False)


def test_two_addresses_do_not_share_a_file(site, tmp_path):
    address, folder = site
    kept = tmp_path / 'kept'
    files = [get(f'{address}/{name}/model.pth', kept) for name in 'ab']
    assert [set(torch.load(file)) for file in files] == [{'a'}, {'b'}]
    (folder / 'a/model.pth').unlink()  # it is not fetched again
    assert get(f'{address}/a/model.pth', kept) == files[0]
    assert sorted(kept.iterdir()) == sorted(files)


@pytest.mark.parametrize(
    'name,expected',
    [
        ('page.pth', 'does not give a checkpoint: .*web page'),
        ('none.pth', 'cannot be downloaded: .*404'),
    ],
)
def test_nothing_is_kept_of_what_failed(site, tmp_path, name, expected):
    with pytest.raises(UserError, match=expected):
        get(f'{site[0]}/{name}', tmp_path / 'kept')
    assert not any((tmp_path / 'kept').iterdir())


def test_a_file_of_torch_hub_is_taken_by_its_hash(site, tmp_path):
    data = (site[1] / 'a/model.pth').read_bytes()
    mark = hashlib.sha256(data).hexdigest()[:8]
    old = tmp_path / f'resnet-{mark}.pth'
    old.write_bytes(data)
    url = f'{site[0]}/elsewhere/{old.name}'
    assert get(url, tmp_path) == old
    old.write_bytes(data + b'x')
    with pytest.raises(UserError, match='404'):
        get(url, tmp_path)


def test_names_stay_in_the_folder():
    for url in (
        'http://x/..',
        'http://x/a%2F..%2Fb',
        'http://x',
        'http://x/é',
    ):
        name = cached_name(url)
        assert '/' not in name and name.strip('.') and name.isascii()
    assert cached_name('http://x/model.pth?v=1') != cached_name(
        'http://x/model.pth?v=2'
    )
