"""Forward and backward of a ResNet, convolutions stored by channels last.

python benchmarks/channels_last.py [--depth 18] [--base 16] [--size 112]

Both formats are timed in turn in one process, under bfloat16 autocast as
`--amp` pretraining runs; read the ratio. For GPUs: `ChannelsLastHook` says why
not for CPUs.
"""

import argparse
import statistics
import sys
import time

import torch
from mmengine.device import get_device
from mmpretrain.models import ResNet


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--depth', type=int, default=18)
    parser.add_argument(
        '--base', type=int, default=16, help='channels of the first stage'
    )
    parser.add_argument(
        '--size',
        type=int,
        nargs='+',
        default=[64, 112],
        help='sides of the images, pixels',
    )
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--repeats', type=int, default=9)
    return parser.parse_args()


def step(net: torch.nn.Module, images: torch.Tensor) -> float:
    """Seconds of one forward and backward pass."""
    device = images.device.type
    started = time.perf_counter()
    with torch.autocast(device, torch.bfloat16):
        net(images)[-1].mean().backward()
    torch.accelerator.synchronize()
    return time.perf_counter() - started


def main() -> None:
    """Print the median of each format and their ratio."""
    args = parse_args()
    device = get_device()
    if device == 'cpu':
        sys.exit('channels_last.py: there is no accelerator here.')
    nets = [
        ResNet(
            args.depth, base_channels=args.base, stem_channels=args.base
        ).to(device)
        for _ in range(2)
    ]
    nets[1].to(memory_format=torch.channels_last)
    for size in args.size:
        images = torch.randn(args.batch, 3, size, size, device=device)
        times = [
            [step(net, images) for net in nets]
            for _ in range(args.repeats + 1)
        ][1:]  # the first warms up
        plain, last = map(statistics.median, zip(*times))
        print(
            f'{size} px: {plain:.3f} s, channels last {last:.3f} s, '
            f'{plain / last:.2f} times as fast'
        )


if __name__ == '__main__':
    main()
