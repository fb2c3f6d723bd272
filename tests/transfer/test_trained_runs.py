"""Runs of an iteration or two in which a part of the backbone is trained."""

import pytest
import torch

from ssl_bench.engine.distributed import unwrapped
from ssl_bench.run_folder import newest_checkpoint
from ssl_bench.transfer.run import run_task
from ssl_bench.transfer.source import Source
from ssl_bench.transfer.toolkit_run import TransferRunner
from tests.backbones import thin_backbone, tiny_vit
from tests.processes import run_in_processes, under_torchrun
from tests.timm_tiny import TINY
from tests.timm_tiny import source_of as timm_source
from tests.transfer.test_resume import assert_same
from tests.transfer.test_resume import kill as killed

pytestmark = pytest.mark.slow

VITS = ('mini_coco_vitdet', 'mini_seg_upernet', 'mini_finetune')
DENSE = {
    'train_cfg.max_iters': 2,
    'train_cfg.val_interval': 2,
    'train_dataloader.batch_size': 2,
    'auto_scale_lr.base_batch_size': 2,
    'default_hooks.checkpoint.interval': 1,
}
OPTIONS = {
    'mini_voc_det_c4': {
        **DENSE,
        'custom_hooks.TrainingPreciseBNHook.num_iters': 1,
    },
    'mini_seg_fcn': DENSE,
    'mini_seg_upernet': DENSE,
    'mini_coco_vitdet': DENSE,
    'mini_finetune': {
        'train_cfg.max_epochs': 2,
        'train_dataloader.batch_size': 20,
        'auto_scale_lr.base_batch_size': 20,
        'default_hooks.checkpoint.interval': 1,
    },
}
TIMM = 'lora:2 of timm'
C4_STAGE = 'roi_head.shared_head.layer4.'


def source_of(task, kind=''):
    """A small backbone of the family that the task takes, or of timm's."""
    if kind == TIMM:
        meta = tiny_vit()[1].meta
        header = {n: meta[n] for n in meta if not n.startswith('arch')}
        return timm_source(TINY['dinov2_reg'], **header)
    backbone = tiny_vit()[1] if task in VITS else thin_backbone()
    return Source(backbone, backbone.arch, backbone.meta['arch_args'])


@pytest.fixture
def starts(monkeypatch):
    """The tensors with which each run starts, and its optimizer's."""
    found = []
    initialise = TransferRunner._init_model_weights

    def keep(self):
        initialise(self)
        model = unwrapped(self.model)
        names = {id(value): name for name, value in model.named_parameters()}
        state = {n: t.clone() for n, t in model.state_dict().items()}
        groups = self.optim_wrapper.optimizer.param_groups
        given = {names[id(p)] for group in groups for p in group['params']}
        trained = {
            name for name, p in model.named_parameters() if p.requires_grad
        }
        found.append((state, given, trained, set(names.values())))

    monkeypatch.setattr(TransferRunner, '_init_model_weights', keep)
    return found


def of_backbone(name):
    """Whether a tensor is of the pretrained network."""
    return name.startswith(('backbone.', C4_STAGE))


def trained_in(task, kind, name):
    """Whether a parameter is to be trained; the rule, written again."""
    if not of_backbone(name):
        return True
    if kind == 'frozen':
        return False
    if kind.startswith('lora'):
        return '.lora_' in name
    return name.startswith(
        ('backbone.layers.3.', 'backbone.ln', 'backbone.layer4.', C4_STAGE)
    )


@pytest.mark.parametrize(
    ('task', 'kind'),
    [
        ('mini_voc_det_c4', 'frozen'),
        ('mini_coco_vitdet', 'lora:2'),
        ('mini_seg_fcn', 'last:1'),
        ('mini_seg_upernet', 'lora:2'),
        ('mini_finetune', 'frozen'),
        ('mini_finetune', TIMM),
    ],
)
def test_what_is_held_stays_bit_equal(
    registered, mini_root, tmp_path, starts, task, kind
):
    source = source_of(task, kind)
    kind = kind.removesuffix(' of timm')
    outcome = run_task(
        source, task, 0, tmp_path, str(mini_root), OPTIONS[task], train=kind
    )
    ((before, given, trained, parameters),) = starts
    after = torch.load(newest_checkpoint(outcome.folder), weights_only=False)[
        'state_dict'
    ]
    assert before.keys() == after.keys()
    assert (
        given
        == trained
        == {name for name in parameters if trained_in(task, kind, name)}
    )
    for name, old in before.items():
        same = torch.equal(old, after[name])
        if name in parameters:
            held = name not in trained
        else:  # statistics of norms, indices
            held = of_backbone(name) and not trained_in(task, kind, name)
        assert same or not held, f'{name} has changed'
    changed = {n for n in trained if not torch.equal(before[n], after[n])}
    wanted = {n for n in trained if of_backbone(n) and 'rel_pos' not in n}
    if kind.startswith('lora'):  # A moves when B is not 0 any more
        wanted = {name for name in wanted if '.lora_B' in name}
    assert wanted <= changed and changed - wanted
    # the file's values have arrived under the names of the file
    file = source.backbone.group('backbone')
    loaded = {
        name.replace('.base_layer', ''): value
        for name, value in before.items()
    }
    if task in VITS:
        name = 'blocks.0.attn.qkv.weight'
        timm = 'backbone.net.' + name in loaded
        ours = 'backbone.layers.0.attn.qkv.weight'
        ours = 'backbone.net.' + name if timm else ours
        assert torch.equal(loaded[ours], file[name])
    record = outcome.record
    sizes = {name: before[name].numel() for name in parameters}
    assert record['trained'] == kind
    assert record['parameters'] == sum(sizes.values())
    assert record['trained_parameters'] == sum(sizes[n] for n in trained)
    assert ('peft' in record['versions']) == kind.startswith('lora')
    assert kind not in ''.join(record['departures'])


def test_a_killed_run_with_low_rank_terms(registered, mini_root, tmp_path):
    """It goes on, is tested again, and its classifier is found."""
    task, options = 'mini_finetune', OPTIONS['mini_finetune']

    def go(folder, task=task, **more):
        return (
            source_of('mini_finetune'),
            task,
            0,
            tmp_path / folder,
            str(mini_root),
            options,
            None,
            None,
            True,
            0,
            None,
            True,
            more.get('eval_only', False),
            False,
            'lora:2',
        )

    straight = run_task(*go('straight'))
    killed(go('broken'), (2,))
    broken = run_task(*go('broken'))
    states = [
        torch.load(newest_checkpoint(run.folder), weights_only=False)
        for run in (straight, broken)
    ]
    for key in ('state_dict', 'optimizer'):
        assert_same(states[0][key], states[1][key], key)
    assert broken.record['metrics'] == straight.record['metrics']
    assert broken.record['resumptions'] == 1
    again = run_task(*go('broken', eval_only=True))
    assert again.retested == broken.record['metrics']
    tested = run_task(*go('broken', 'mini_in_a')).record
    assert tested['trained'] == 'lora:2'
    assert tested['parameters'] == broken.record['parameters']
    # the full kind has other settings, and so another run
    full = run_task(
        source_of(task), task, 0, tmp_path / 'broken', str(mini_root), options
    )
    assert full.fresh and 'trained' not in full.record
    terms = 4 * 2 * ((96 + 288) + (96 + 96))
    assert full.record['parameters'] + terms == broken.record['parameters']
    assert full.record['trained_parameters'] == full.record['parameters']


def two(rank, root, folder):
    """Numbers of runs on two processes."""
    under_torchrun(rank, 2)
    task = 'mini_seg_upernet'
    options = {**DENSE, 'train_dataloader.batch_size': 1}
    record = run_task(
        source_of(task), task, 0, folder, root, options, train='lora:2'
    ).record
    return dict(
        record['metrics'],
        trained=record['trained_parameters'],
        parameters=record['parameters'],
        world=record['hardware']['world_size'],
    )


def test_two_processes(registered, mini_root, tmp_path):
    first, second = run_in_processes(two, 2, str(mini_root), str(tmp_path))
    assert first == second and first['world'] == 2
    # all of the backbone but its terms is held
    held = first['parameters'] - first['trained']
    assert held > 4 * 2 * ((96 + 288) + (96 + 96))
