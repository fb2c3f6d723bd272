"""Time mmcv's operators: served from torchvision, and compiled if there is.

    python benchmarks/mmcv_ops.py [--device cuda] [--threads 1] [--repeat 3]

Every operator goes through mmcv.ops' public function, forward and backward
where it has one. With a compiled mmcv installed its times are printed next to
these. They are taken in a second process that does not import ssl_bench.
"""

import argparse
import importlib.util
import json
import platform
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def boxes(count: int, device: str, size: float = 1000.0):
    """Random boxes (count, 4) in a square of ``size`` pixels, scores."""
    import torch

    generator = torch.Generator().manual_seed(0)
    low = torch.rand(count, 2, generator=generator) * size
    high = low + torch.rand(count, 2, generator=generator) * size / 8 + 4
    scores = torch.rand(count, generator=generator)
    return torch.cat((low, high), 1).to(device), scores.to(device)


def suppression(device: str) -> dict[str, Callable]:
    """NMS of a proposal stage, of 80 classes, and its soft form."""
    import mmcv.ops
    import torch

    large, small = boxes(6000, device), boxes(1000, device)
    labels = torch.arange(4000, device=device) % 80
    wide = [tensor[:4000] for tensor in large]
    classes = dict(type='nms', iou_threshold=0.5)
    return {
        'nms 6000 boxes': lambda: mmcv.ops.nms(*large, 0.7),
        'batched_nms 4000 boxes, 80 classes': lambda: mmcv.ops.batched_nms(
            *wide, labels, classes
        ),
        'soft_nms 1000 boxes': lambda: mmcv.ops.soft_nms(*small),
        'nms_match 1000 boxes': lambda: mmcv.ops.nms_match(
            torch.cat((small[0], small[1][:, None]), 1), 0.5
        ),
    }


def both_ways(function: Callable, leaf, *arguments) -> Callable:
    """Forward and backward of a function by its first argument."""
    import torch

    def run():
        torch.autograd.grad(function(leaf, *arguments).sum(), leaf)

    leaf.requires_grad_()
    return run


def pooling(device: str) -> dict[str, Callable]:
    """RoIAlign on an FPN level and on C4, RoIPool, maximum RoIAlign."""
    import mmcv.ops
    import torch

    rois = torch.cat(
        (torch.zeros(256, 1, device=device), boxes(256, device, 700.0)[0]), 1
    )
    fpn = torch.randn(1, 256, 200, 200, device=device)
    c4 = torch.randn(1, 1024, 50, 50, device=device)
    thin = torch.randn(1, 64, 50, 50, device=device)
    align, pool = mmcv.ops.roi_align, mmcv.ops.roi_pool
    return {
        'roi_align 256 RoIs, 256x200x200, 7x7': lambda: align(
            fpn, rois, 7, 1 / 4, 0, 'avg', True
        ),
        'roi_align 64 RoIs, 1024x50x50, 14x14, and gradient': both_ways(
            align, c4, rois[:64], 14, 1 / 16, 0, 'avg', True
        ),
        'roi_align max, 64 RoIs, 64x50x50, 7x7, and gradient': both_ways(
            align, thin, rois[:64], 7, 1 / 16, 2, 'max', True
        ),
        'roi_pool 64 RoIs, 64x50x50, 7x7, and gradient': both_ways(
            pool, thin.clone(), rois[:64], 7, 1 / 16
        ),
    }


def dense(device: str) -> dict[str, Callable]:
    """Deformable convolutions, focal loss, deformable attention."""
    import mmcv.ops
    import torch
    from mmcv.ops.multi_scale_deform_attn import (
        MultiScaleDeformableAttnFunction as Attention,
    )

    features = torch.randn(1, 128, 50, 50, device=device)
    offset = torch.randn(1, 18, 50, 50, device=device)
    mask = torch.rand(1, 9, 50, 50, device=device)
    weight = torch.randn(128, 128, 3, 3, device=device)
    logits = torch.randn(20000, 80, device=device)
    target = torch.arange(20000, device=device) % 81
    shapes = torch.tensor([[40, 40], [20, 20]], device=device)
    starts = torch.tensor([0, 1600], device=device)
    value = torch.randn(1, 2000, 8, 32, device=device)
    places = torch.rand(1, 2000, 8, 2, 4, 2, device=device)
    shares = torch.rand(1, 2000, 8, 2, 4, device=device)
    return {
        'deform_conv2d 128x50x50, 3x3, and gradient': both_ways(
            mmcv.ops.deform_conv2d, features, offset, weight, 1, 1
        ),
        'modulated_deform_conv2d, the same': both_ways(
            mmcv.ops.modulated_deform_conv2d,
            features.clone(),
            offset,
            mask,
            weight,
            None,
            1,
            1,
        ),
        'sigmoid_focal_loss 20000x80, and gradient': both_ways(
            mmcv.ops.sigmoid_focal_loss, logits, target
        ),
        'ms_deform_attn 2000 queries, 2 levels, and gradient': both_ways(
            Attention.apply, value, shapes, starts, places, shares, 64
        ),
    }


def measure(device: str, threads: int, repeat: int) -> dict[str, float]:
    """Median milliseconds of every operator; one call warms up.

    An operator that a CPU build of mmcv lacks is left out.
    """
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    times = {}
    for group in (suppression, pooling, dense):
        for name, call in group(device).items():
            try:
                elapsed(call, device)
            except RuntimeError as error:
                print(f'{name}: {error}', file=sys.stderr)
                continue
            times[name] = statistics.median(
                elapsed(call, device) for _ in range(repeat)
            )
    return times


def elapsed(call: Callable, device: str) -> float:
    """Milliseconds of one call, finished on the device."""
    import torch

    start = time.perf_counter()
    call()
    if device.startswith('cuda'):
        torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1000


def serve() -> None:
    """Put the stand-in in place even where a compiled mmcv is installed."""
    sys.path.insert(0, str(ROOT))
    from ssl_bench.compat import mmcv_ops

    module = types.ModuleType('mmcv._ext')
    mmcv_ops.fill(module)
    sys.modules['mmcv._ext'] = module


def measure_compiled(arguments: list[str]) -> dict[str, float]:
    """Times in a process without ssl_bench; empty without an extension."""
    if importlib.util.find_spec('mmcv._ext') is None:
        return {}
    done = subprocess.run(
        [sys.executable, __file__, '--compiled', *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeat', type=int, default=3)
    parser.add_argument(
        '--compiled',
        action='store_true',
        help='time the compiled mmcv alone, print JSON',
    )
    args = parser.parse_args()
    settings = (args.device, args.threads, args.repeat)
    if args.compiled:
        print(json.dumps(measure(*settings)))
        return
    other = measure_compiled(sys.argv[1:])
    serve()
    import torch
    import torchvision

    print(
        f'{platform.machine()}, {args.device}, {args.threads} thread(s), '
        f'torch {torch.__version__}, torchvision {torchvision.__version__}; '
        f'milliseconds, median of {args.repeat}'
    )
    if not other:
        print('no compiled mmcv is installed: no column to compare with')
    print(f'{"operator":58}{"served":>10}{"compiled":>10}{"ratio":>7}')
    for name, served in measure(*settings).items():
        row = f'{name:58}{served:10.1f}'
        if name in other:
            row += f'{other[name]:10.1f}{served / other[name]:7.2f}'
        print(row)


if __name__ == '__main__':
    main()
