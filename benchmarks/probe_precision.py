"""Scores of probes from float32 features and from bfloat16 ones.

Runs probes of the embedded data twice for each backbone: the backbone in
single precision, and under bfloat16 autocast (`probe.compute`). Everything
else is the same, so a difference is that of the features.

    python benchmarks/probe_precision.py [--source FILE ...] [--seeds 8]
        [--data data/mini] [--arch resnet18-w16]

`--source` are backbone files, such as `ssl-bench pretrain` leaves; without
them backbones are initialised at random, which is harder: the features of an
untrained network differ less from image to image. The last column is the
mean difference and its standard error over the backbones, in points. It runs
on a GPU if there is one. A CPU computes in bfloat16 very slowly: there
weights, inputs and outputs of every layer are rounded to bfloat16 and the sums
are float32, as on a GPU.
"""

import argparse
import statistics
import sys
import tempfile
from contextlib import nullcontext

import torch

from ssl_bench.transfer import probes

BUILD = probes.build_frozen
TASKS = ('mini_knn', 'mini_linear_cached', 'mini_voc07_svm')


def rounded(value):
    """To the nearest bfloat16, as float32."""
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.bfloat16().float()
    if isinstance(value, tuple):
        return tuple(map(rounded, value))
    return value


def build_rounding(config, source):
    """The frozen backbone, which rounds if it should be mixed."""
    model = BUILD(config, source)
    if model.mixed:
        for module in model.backbone.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.weight.data = rounded(module.weight.data)
                module.register_forward_pre_hook(
                    lambda _, given: rounded(given)
                )
            module.register_forward_hook(lambda _, given, out: rounded(out))
    return model


def compare(source, task: str, seed: int, root: str, folder: str) -> list:
    """Score of both, percent."""
    from ssl_bench.transfer.run import run_task

    name = 'mAP' if 'svm' in task else 'top1'
    return [
        run_task(
            source,
            task,
            seed,
            f'{folder}/work',
            root,
            {'probe.compute': compute},
        ).record['metrics'][name]
        for compute in ('float32', 'bfloat16')
    ]


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--source', nargs='+', default=[])
    parser.add_argument('--arch', nargs='+', default=['resnet18-w16'])
    parser.add_argument('--seeds', type=int, default=8)
    parser.add_argument('--tasks', nargs='+', default=TASKS)
    parser.add_argument('--data', default='data/mini')
    args = parser.parse_args()
    from mmengine.device import get_device

    from ssl_bench import register_all_modules
    from ssl_bench.transfer.source import open_source

    register_all_modules()
    if get_device() == 'cpu':
        probes.build_frozen = build_rounding
        torch.autocast = lambda *args, **kwargs: nullcontext()
    with tempfile.TemporaryDirectory() as folder:
        backbones = [
            (open_source(path, folder), 0) for path in args.source
        ] or [
            (open_source('random', folder, arch), seed)
            for arch in args.arch
            for seed in range(args.seeds)
        ]
    print(f'device {get_device()}, {len(backbones)} backbones')
    folder = tempfile.TemporaryDirectory()
    for task in args.tasks:
        pairs = [
            compare(source, task, seed, args.data, folder.name)
            for source, seed in backbones
        ]
        changes = [half - whole for whole, half in pairs]
        error = (
            statistics.stdev(changes) / len(changes) ** 0.5
            if len(changes) > 1
            else float('nan')
        )
        print(
            f'{task:20} float32 {statistics.mean(w for w, _ in pairs):6.2f}'
            f'  bfloat16 {statistics.mean(h for _, h in pairs):6.2f}'
            f'  difference {statistics.mean(changes):+.3f} +- {error:.3f}'
            f'  ({min(changes):+.2f} to {max(changes):+.2f})',
            flush=True,
        )
    folder.cleanup()
    return 0


if __name__ == '__main__':
    sys.exit(main())
