"""Options of speed: what is on where, and that results stay the same."""

import copy
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.cnn.bricks import DropPath
from mmengine.config import Config
from mmpretrain.registry import MODELS
from torch import nn

from ssl_bench.cli import main
from ssl_bench.config_keys import PLAIN
from ssl_bench.engine import compiling, prefetch, speed
from ssl_bench.engine.pretrain import pretrain
from ssl_bench.engine.speed import OPTIONS, Speed, choose, set_up
from ssl_bench.errors import UserError
from ssl_bench.transfer.source import open_source
from tests.processes import run_in_processes, under_torchrun

NO_GPU = pytest.mark.skipif(
    not torch.cuda.is_available(), reason='needs a CUDA device'
)
NO_COMPILER = pytest.mark.skipif(
    shutil.which('g++') is None, reason='torch.compile needs g++ on a CPU'
)


def plain(optimizer='SGD', **keys):
    """What `choose` reads of a config."""
    wrapper = dict(type='OptimWrapper', optimizer=dict(type=optimizer))
    return Config(dict(optim_wrapper=wrapper, train_dataloader=dict(), **keys))


@pytest.fixture
def ampere(monkeypatch):
    """A GPU with TF32, whether there is one or not."""
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda: (8, 0))


def test_the_options_are_known_keys():
    assert PLAIN['speed'] == set(OPTIONS)


def test_nothing_is_on_on_a_cpu():
    assert choose(plain(), 'cpu') == Speed()
    assert str(Speed()) == ''


def test_what_is_on_on_a_gpu(ampere):
    on = choose(plain(), 'cuda')
    assert str(on) == (
        'channels_last, TF32, cuDNN benchmark, prefetch, fused optimizer'
    )
    assert choose(plain('PaperLARS'), 'cuda').fused is False
    own = plain()
    own.optim_wrapper.optimizer.foreach = True
    assert choose(own, 'cuda').fused is False
    several = choose(plain(), 'cuda', 8)
    assert several.bucket_view and not several.static_graph
    exact = choose(plain(randomness=dict(deterministic=True)), 'cuda')
    assert exact.tf32 and not exact.cudnn_benchmark


def test_old_gpus_have_no_tf32(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda: (7, 0))
    assert not choose(plain(), 'cuda').tf32


@pytest.mark.parametrize(
    'device, keys, message',
    [
        ('cpu', dict(tf=True), 'unknown option of speed .tf.*tf32'),
        ('cpu', dict(tf32='yes'), "speed.tf32 must be True, False or 'auto'"),
        ('cpu', dict(channels_last=1), "must be True, False or 'auto'"),
        ('cpu', 'fast', "speed is a dict of options .*, not 'fast'"),
        ('cpu', dict(tf32=True), 'speed.tf32=True: the device has no TF32'),
        ('cpu', dict(channels_last=True), 'not safe on a CPU'),
        ('cpu', dict(cudnn_benchmark=True), 'no cuDNN'),
        ('cpu', dict(fused=True), 'LARS has no fused form'),
    ],
)
def test_what_cannot_be_on_is_said(device, keys, message):
    with pytest.raises(UserError, match=message):
        choose(plain('LARS', speed=keys), device)


@pytest.mark.parametrize('name', ['compile', 'cudnn_benchmark'])
def test_a_deterministic_run_refuses_what_is_not(ampere, name):
    config = plain(speed={name: True}, randomness=dict(deterministic=True))
    with pytest.raises(UserError, match='deterministic=True does not allow'):
        choose(config, 'cuda')


@pytest.mark.parametrize(
    'keys, name',
    [
        (dict(channels_last=True), 'channels_last'),
        (dict(env_cfg=dict(cudnn_benchmark=True)), 'cudnn_benchmark'),
    ],
)
def test_keys_of_before_are_refused(keys, name):
    with pytest.raises(UserError, match=f'write speed.{name}'):
        choose(plain(**keys), 'cpu')
    choose(plain(env_cfg=dict(cudnn_benchmark=False)), 'cpu')


def test_a_compiler_is_looked_for_before_the_run(monkeypatch):
    def none(*args):
        raise RuntimeError('no\ncompiler')

    monkeypatch.setattr('torch._inductor.cpp_builder.get_cpp_compiler', none)
    with pytest.raises(UserError, match='finds no compiler: no compiler'):
        choose(plain(speed=dict(compile=True)), 'cpu')


def test_the_config_gets_what_is_on():
    config = plain()
    on = Speed(amp=True, fused=True, prefetch=True, bucket_view=True)
    said = set_up(config, on, 'cuda')
    assert said == [
        'speed: bfloat16 autocast, prefetch, fused optimizer, gradients as '
        'bucket views'
    ]
    assert config.optim_wrapper.type == 'BFloat16OptimWrapper'
    assert config.optim_wrapper.optimizer.fused
    assert config.train_dataloader.pin_memory
    assert config.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        broadcast_buffers=False,
        find_unused_parameters=False,
        gradient_as_bucket_view=True,
        static_graph=False,
    )


def test_single_precision_can_be_asked_for():
    config = plain(speed=dict(amp=False))
    config.optim_wrapper.type = 'AmpOptimWrapper'
    assert set_up(config, Speed(), 'cuda') == []
    assert config.optim_wrapper.type == 'OptimWrapper'


def test_a_static_graph_does_not_take_accumulated_gradients():
    config = plain(speed=dict(static_graph=True))
    assert choose(config, 'cpu', 2).static_graph
    config.optim_wrapper.accumulative_counts = 2
    with pytest.raises(UserError, match='with accumulated gradients'):
        choose(config, 'cpu', 2)


def test_a_wrapper_of_another_kind_is_left_alone():
    config = plain(model_wrapper_cfg=dict(type='Mine'))
    assert not choose(config, 'cpu', 2).bucket_view
    config.speed = dict(bucket_view=True)
    with pytest.raises(UserError, match='Mine is not Distributed'):
        choose(config, 'cpu', 2)


def result(config, folder, **keys):
    """Losses of a run, weights of its end, and what its checkpoint says."""
    config = copy.deepcopy(config)
    config.speed = keys
    return found(folder, pretrain(config, folder).name)


def found(folder, name):
    """Of a run's folder, as `result`."""
    saved = torch.load(folder / name, weights_only=False)
    logs = sorted(folder.glob('*/vis_data/scalars.json'))
    rows = [row for log in logs for row in log.read_text().splitlines()]
    losses = [row['loss'] for row in map(json.loads, rows) if 'loss' in row]
    said = Config.fromstring(saved['meta']['cfg'], '.py').method.changes
    return losses, saved['state_dict'], said


def compare(config, folder, rtol, atol=0.0, **keys):
    """Run with options and without; what the checkpoint says of the first."""
    config.train_cfg.max_epochs = 1
    wanted, before, silent = result(config, folder / 'plain')
    losses, after, said = result(config, folder / 'fast', **keys)
    assert silent == [] and len(losses) == 3
    assert losses == pytest.approx(wanted, rel=rtol, abs=atol)
    assert after.keys() == before.keys()
    moved = not all(torch.equal(after[n], before[n]) for n in before)
    return said, moved


def test_bfloat16_gives_close_losses(config, tmp_path):
    config.optim_wrapper.optimizer.lr = 0.001
    said, moved = compare(config, tmp_path, 0.05, amp=True)
    assert said == ['speed: bfloat16 autocast'] and moved


def test_prefetch_gives_equal_weights(config, tmp_path):
    config.train_dataloader.num_workers = 1
    said, moved = compare(config, tmp_path, 0.0, prefetch=True)
    assert said == ['speed: prefetch'] and not moved
    # and what every record of a transfer says of its pretraining
    source = open_source(str(tmp_path / 'fast/epoch_1.pth'), tmp_path)
    assert source.pretrain()['changes'] == said


@pytest.mark.parametrize('kind', ['SGD', 'AdamW'])
def test_fused_optimizers_give_equal_losses(config, tmp_path, kind):
    config.optim_wrapper.optimizer = dict(type=kind, lr=0.01)
    said, _ = compare(config, tmp_path, 1e-4, fused=True)
    assert said == ['speed: fused optimizer']


def test_compiled_parts_give_equal_losses(config, tmp_path, monkeypatch):
    """The graphs, without the kernels of a compiler."""
    monkeypatch.setattr(speed, 'require_compiler', lambda device: None)
    seen = []

    def fake(forward, dynamic):
        seen.append(forward.__self__)
        return compiler(forward, dynamic=dynamic, backend='eager')

    compiler = torch.compile
    monkeypatch.setattr(torch, 'compile', fake)
    torch._dynamo.reset()
    config.model.backbone.update(
        num_stages=1, strides=(1,), dilations=(1,), out_indices=(0,)
    )
    config.model.neck.in_channels = 4
    said, _ = compare(config, tmp_path, 1e-5, compile=True)
    assert said == ['speed: torch.compile']
    names = [type(module).__name__ for module in seen]
    assert sorted(names) == [
        'ContrastiveHead',
        'MoCoV2Neck',
        'MoCoV2Neck',
        'ResNet',
        'ResNet',
    ]


class Two(nn.Module):
    """A backbone, and another module with the same class."""

    def __init__(self):
        super().__init__()
        layers = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.backbone = nn.Sequential(*layers)

    def forward(self, x):
        return self.backbone(x).square().mean()


@MODELS.register_module()
class FewKernels(nn.Sequential):
    """A backbone that takes the compiler seconds, not minutes."""

    def __init__(self):
        layers = nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU()
        super().__init__(*layers)

    def init_weights(self):
        pass

    def forward(self, x):
        return (super().forward(x),)


@NO_COMPILER
@pytest.mark.slow  # half a minute: a dozen kernels of C++
def test_a_compiled_run_of_the_command_line(config, tmp_path, monkeypatch):
    """Real kernels, from `--compile` to the checkpoint and a resumed run."""
    for name, value in (
        ('compile_threads', 1),
        ('cpp_cache_precompile_headers', False),
        ('cpp.simdlen', 1),
    ):
        monkeypatch.setattr(f'torch._inductor.config.{name}', value)
    torch._dynamo.reset()
    config.model.backbone = dict(type='FewKernels')
    config.model.neck.in_channels = 8
    wanted, before, _ = result(config, tmp_path / 'plain')
    config.dump(tmp_path / 'config.py')
    words = ['pretrain', str(tmp_path / 'config.py'), '--compile']
    words += ['--work-dir', str(tmp_path / 'fast')]
    assert main([*words, '--cfg-options', 'train_cfg.max_epochs=1']) == 0
    assert torch._dynamo.utils.counters['graph_break'] == {}
    assert torch._dynamo.utils.counters['inductor']['extern_calls'] > 0
    torch._dynamo.reset()
    assert main([*words[:2], *words[3:], '--resume']) == 0
    losses, after, said = found(tmp_path / 'fast', 'epoch_2.pth')
    assert losses == pytest.approx(wanted, rel=1e-4)
    assert len(losses) == 6 and after.keys() == before.keys()
    assert said == ['begun with speed: torch.compile']


def test_a_hook_that_comes_and_goes_is_seen_and_compiles_nothing():
    torch._dynamo.reset()
    net, x, heard, graphs = Two(), torch.randn(2, 3, 8, 8), [], []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiling.compile_parts([net.backbone], backend=backend)
    for step in range(6):
        if step == 3:
            hook = net.backbone.register_forward_hook(
                lambda *a: heard.append(step)
            )
        elif step == 5:
            hook.remove()
        net(x)
    assert heard == [3, 4] and len(graphs) == 1


def test_numbers_of_numpy_do_not_break_a_graph():
    torch._dynamo.reset()
    net = nn.Sequential(DropPath(np.linspace(0, 0.1, 3)[0]))
    compiling.compile_parts([net], backend='eager', fullgraph=True)
    assert torch.equal(net(torch.ones(2, 3)), torch.ones(2, 3))
    assert type(net[0].drop_prob) is float


def test_what_does_not_compile_is_a_line():
    from torch._dynamo.exc import InternalTorchDynamoError

    with pytest.raises(UserError, match=r'without speed.compile .*no way'):
        with compiling.compile_errors(True):
            raise InternalTorchDynamoError('no\nway')


def test_a_resumed_run_keeps_its_form_of_the_optimizer(config, tmp_path):
    """And says with which options it began."""
    config.optim_wrapper.optimizer = dict(type='AdamW', lr=0.01)
    first = copy.deepcopy(config)
    first.speed = dict(fused=True, amp=True)
    pretrain(first, tmp_path / 'run')
    half = tmp_path / 'run/epoch_1.pth'
    last = pretrain(config, tmp_path / 'other', resume=str(half))
    saved = torch.load(last, weights_only=False)
    assert not saved['optimizer']['param_groups'][0]['fused']
    said = Config.fromstring(saved['meta']['cfg'], '.py').method.changes
    assert said == ['begun with speed: bfloat16 autocast, fused optimizer']


@pytest.mark.parametrize(
    'changes, now, said',
    [
        (None, ['speed: TF32'], []),
        (['a=1', 'speed: TF32'], ['speed: TF32'], []),
        (['a=1'], ['speed: TF32'], ['begun with speed: nothing on']),
        (
            ['speed: TF32', 'begun with speed: x'],
            [],
            ['begun with speed: x', 'begun with speed: TF32'],
        ),
    ],
)
def test_what_a_run_began_with_stays_known(changes, now, said):
    assert speed.begun_with(changes, now) == said


def test_ahead_asks_for_a_batch_before_the_step_of_the_one_before(monkeypatch):
    monkeypatch.setattr(prefetch, 'get_device', lambda: 'cpu')
    asked = []

    def batches():
        for number in range(3):
            asked.append(number)
            yield dict(inputs=[number])

    seen = []
    for batch in prefetch.ahead(batches()):
        seen.append((batch['inputs'][0], list(asked)))
    assert seen == [(0, [0, 1]), (1, [0, 1, 2]), (2, [0, 1, 2])]
    assert list(prefetch.ahead([])) == []


def test_images_in_lists_are_moved():
    views = [torch.ones(2), (torch.ones(3), 'name')]
    one, (two, name) = prefetch._moved(views, torch.device('meta'))
    assert (one.device.type, two.device.type, name) == ('meta', 'meta', 'name')
    assert (one.shape, two.shape) == ((2,), (3,))


def test_the_loops_read_ahead(config, tmp_path, monkeypatch):
    calls = []

    def ahead(batches):
        calls.append(1)
        return prefetch.ahead(batches)

    monkeypatch.setattr('ssl_bench.engine.loops.ahead', ahead)
    config.train_cfg.max_epochs = 1
    pretrain(copy.deepcopy(config), tmp_path / 'no')
    assert calls == []
    config.speed = dict(prefetch=True)
    pretrain(copy.deepcopy(config), tmp_path / 'epochs')
    config.train_cfg = dict(type='IterBasedTrainLoop', max_iters=4)
    config.param_scheduler = []
    config.default_hooks.checkpoint.by_epoch = False
    pretrain(config, tmp_path / 'iterations')
    assert calls == [1, 1]


def train_wrapped(rank, folder, config, keys):
    """One epoch in a process; the weights at its end."""
    under_torchrun(rank, 2)
    config.speed = keys
    saved = torch.load(pretrain(config, folder), weights_only=False)
    return saved['state_dict']


@pytest.mark.slow  # two processes, several times
@pytest.mark.parametrize('counts', [1, 2])
def test_wrapped_in_other_ways_the_weights_are_equal(config, tmp_path, counts):
    config.train_dataloader.batch_size = 2
    config.optim_wrapper.accumulative_counts = counts
    found = [
        run_in_processes(
            train_wrapped, 2, tmp_path / str(number), config, keys
        )[0]
        for number, keys in enumerate(
            [
                dict(bucket_view=False),
                dict(bucket_view=True),
                dict(bucket_view=True, static_graph=True),
            ][: 4 - counts]
        )
    ]
    for other in found[1:]:
        for name, value in found[0].items():
            assert torch.equal(value, other[name]), name


@pytest.mark.gpu
@NO_GPU
@pytest.mark.parametrize(
    'keys, rtol',
    [
        (dict(tf32=True), 0.01),
        (dict(amp=True), 0.05),
        (dict(channels_last=True), 1e-3),
        (dict(cudnn_benchmark=True), 1e-3),
        (dict(prefetch=True), 1e-3),
        (dict(fused=True), 1e-3),
        (dict(compile=True), 1e-3),
    ],
)
def test_on_a_gpu_the_losses_stay(config, tmp_path, keys, rtol):
    off = dict.fromkeys(OPTIONS, False)
    config.train_cfg.max_epochs = 1
    wanted, before, _ = result(config, tmp_path / 'off', **off)
    losses, after, said = result(config, tmp_path / 'on', **{**off, **keys})
    assert losses == pytest.approx(wanted, rel=rtol)
    assert said == [f'speed: {Speed(**keys)}']
    assert after.keys() == before.keys()
    weight = after['backbone.layer1.0.conv1.weight']
    last = weight.is_contiguous(memory_format=torch.channels_last)
    assert last == ('channels_last' in keys)


@pytest.mark.gpu
@NO_GPU
def test_on_a_gpu_the_switches_are_set_back():
    def switches():
        cudnn = torch.backends.cudnn
        matmul = torch.backends.cuda.matmul.allow_tf32
        return matmul, cudnn.allow_tf32, cudnn.benchmark

    before = switches()
    for on in (True, False):
        with speed.backends(Speed(tf32=on, cudnn_benchmark=on), 'cuda'):
            assert switches() == (on,) * 3
        assert switches() == before


@pytest.mark.gpu
@NO_GPU
def test_on_a_gpu_batches_arrive_whole():
    """While kernels of the step before still run."""
    wanted = [torch.full((64, 3, 224, 224), n).byte() for n in range(6)]
    loader = [
        dict(inputs=[one.pin_memory()], data_samples=[one[0, 0, 0]])
        for one in wanted
    ]
    for one, batch in zip(wanted, prefetch.ahead(loader)):
        busy = torch.randn(2048, 2048, device='cuda')
        for _ in range(20):
            busy = busy @ busy
        assert batch['inputs'][0].is_cuda
        assert not batch['data_samples'][0].is_cuda
        assert torch.equal(batch['inputs'][0].cpu(), one)


def test_the_model_of_a_run_copies_its_data_without_waiting(monkeypatch):
    model = nn.Module()
    model.data_preprocessor = SimpleNamespace(_non_blocking=False)
    runner = SimpleNamespace(
        model=model, logger=SimpleNamespace(info=lambda text: None)
    )
    speed.SpeedHook(Speed(prefetch=True)).before_train(runner)
    assert model.data_preprocessor._non_blocking
