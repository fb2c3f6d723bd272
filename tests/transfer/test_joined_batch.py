"""Loss and gradients of two processes against one on the joined batch."""

import pytest
import torch
from mmengine import dist
from mmengine.registry import DefaultScope

from ssl_bench.transfer.plan import make_plan
from tests.backbones import thin_backbone, tiny_vit
from tests.processes import run_in_processes

pytestmark = pytest.mark.slow

IMAGES, CLASSES, SIDE = 4, 9, 32
# weights of one kind and then the other in the halves of the batch
WEIGHTS = [0.2, *[1.0] * (CLASSES - 1)]


def build(task, processes, options):
    """The task's network, float64, in training mode."""
    from mmengine.registry import MODELS

    from ssl_bench import register_all_modules

    register_all_modules()
    backbone = tiny_vit()[1] if task == 'mini_finetune' else thin_backbone()
    config = make_plan(
        task,
        backbone.meta['arch_args'],
        overrides=options,
        processes=processes,
    ).config
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        model = MODELS.build(config.model)
        model.init_weights()
    return model.double().train()


def pictures(side):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(
        (IMAGES, 3, side, side), dtype=torch.float64, generator=generator
    )


def segments(part):
    """Images and maps of labels; the first half is mostly class 0."""
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(
        CLASSES, (IMAGES, 1, SIDE, SIDE), generator=generator
    )
    labels[: IMAGES // 2, :, 8:] = 0
    labels[0, :, :4] = 255  # ignored
    samples = [
        SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels
    ]
    return pictures(SIDE)[part], samples[part]


def classes(part):
    """Images and labels."""
    from mmpretrain.structures import DataSample

    samples = [DataSample().set_gt_label(number) for number in range(IMAGES)]
    return pictures(80)[part], samples[part]


def loss_of(model, task, part):
    """The sum of a network's losses."""
    data = segments if task == 'mini_seg_fcn' else classes
    inputs, samples = data(part)
    losses = model(inputs, samples, mode='loss')
    return sum(value for name, value in losses.items() if 'loss' in name)


def gradients(model):
    return {
        name: p.grad for name, p in model.named_parameters() if p.requires_grad
    }


def one_of_two(rank, task, options):
    """Mean loss, mean gradients and statistics of the processes."""
    model = build(task, 2, options)
    half = slice(rank * IMAGES // 2, (rank + 1) * IMAGES // 2)
    loss = loss_of(model, task, half)
    loss.backward()
    found = dict(loss=loss.detach(), **gradients(model))
    for value in found.values():
        dist.all_reduce(value, op='mean')
    return found, dict(model.named_buffers())


WHOLE_HEADS = {
    'model.decode_head.dropout_ratio': 0.0,
    'model.auxiliary_head.dropout_ratio': 0.0,
}
EQUAL_CLASSES = {
    **WHOLE_HEADS,
    'model.decode_head.loss_decode.class_weight': None,
    'model.auxiliary_head.loss_decode.class_weight': None,
}


def assert_close(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(
            found[name], value, rtol=1e-9, atol=1e-12, msg=name
        )


@pytest.mark.parametrize(
    ('task', 'options'),
    [
        ('mini_seg_fcn', EQUAL_CLASSES),
        ('mini_linear', {}),
        ('mini_finetune', {'model.backbone.drop_path_rate': 0.0}),
    ],
)
def test_two_processes_are_one_on_the_joined_batch(registered, task, options):
    model = build(task, 1, options)
    loss = loss_of(model, task, slice(None))
    loss.backward()
    wanted = dict(loss=loss.detach(), **gradients(model))
    assert len(wanted) > 2 and all(v.any() for v in wanted.values())
    for found, buffers in run_in_processes(one_of_two, 2, task, options):
        assert_close(found, wanted)
        for name, value in model.named_buffers():
            torch.testing.assert_close(buffers[name], value, msg=name)


def test_class_weights_are_summed_in_each_process(registered, monkeypatch):
    """Not over the batch: each process divides by its own pixels' weights."""
    task, options = 'mini_seg_fcn', WHOLE_HEADS
    model = build(task, 1, options)
    joined = loss_of(model, task, slice(None)).detach()
    for head in (model.decode_head, model.auxiliary_head):
        whole = head.loss_decode.forward
        head.loss_decode.forward = lambda logits, labels, whole=whole, **kw: (
            (
                whole(logits[:2], labels[:2], **kw)
                + whole(logits[2:], labels[2:], **kw)
            )
            / 2
        )
    loss = loss_of(model, task, slice(None))
    loss.backward()
    wanted = dict(loss=loss.detach(), **gradients(model))
    assert abs(joined / wanted['loss'] - 1) > 1e-3
    for found, _ in run_in_processes(one_of_two, 2, task, options):
        assert_close(found, wanted)
