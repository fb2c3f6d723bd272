"""Time and memory of SiameseIM's loss: E x E correlation against N x N.

The released code takes the diagonal of the product of all predictions,
targets and predictions again, an N x N matrix; `unigrad_dense_loss` never
builds it. Both run forward and backward in a process of their own, on the
accelerator if there is one.

    python benchmarks/siamese_im_loss.py [--images 32] [--width 768]

Exit code 1 when the two disagree by more than 1e-5 (loss, relative) or when
ours is not the faster one.
"""

import argparse
import resource
import sys
import time

import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

from ssl_bench.methods.siamese_im.model import unigrad_dense_loss

PATCHES = 196


def through_pairs(pred, target):
    """The same loss through the N x N matrix."""
    width = pred.shape[-1]
    pred = pred.flatten(0, 1)
    target = F.layer_norm(target.flatten(0, 1), (width,))
    correlation = target.T @ target / len(pred)
    pos = (pred - target).square().sum() / (len(pred) * width)
    neg = (pred @ correlation @ pred.T).diagonal().mean() / width
    return pos + 0.02 * neg


def through_channels(pred, target):
    """Ours."""
    return unigrad_dense_loss(pred, target, 0.02)['loss']


def measure(name, images, width, repeats, queue):
    """Best seconds of a step, extra peak MiB, and the loss."""
    loss_of = dict(pairs=through_pairs, channels=through_channels)[name]
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    generator = torch.Generator().manual_seed(0)
    pred, target = (
        torch.randn(images, PATCHES, width, generator=generator).to(device)
        for _ in range(2)
    )
    pred.requires_grad_()

    def peak():
        if device == 'cuda':
            return torch.cuda.max_memory_allocated() / 2**20
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10

    # processor time does not count other programs
    clock = time.perf_counter if device == 'cuda' else time.process_time
    before, times = peak(), []
    for _ in range(repeats):
        pred.grad = None
        start = clock()
        loss = loss_of(pred, target)
        loss.backward()
        value = float(loss.detach())  # waits for the device
        times.append(clock() - start)
    queue.put((min(times), peak() - before, value))


def main() -> int:
    """Measure both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--images', type=int, default=32)
    parser.add_argument('--width', type=int, default=768)
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    context, results = mp.get_context('spawn'), {}
    print(
        f'{args.images} images, N = {args.images * PATCHES} tokens, '
        f'E = {args.width}, {torch.get_num_threads()} thread(s)'
    )
    for name in ('pairs', 'channels'):
        queue = context.Queue()
        process = context.Process(
            target=measure,
            args=(name, args.images, args.width, args.repeats, queue),
        )
        process.start()
        results[name] = queue.get()
        process.join()
        seconds, mib, loss = results[name]
        print(f'{name:9} {seconds:8.3f} s {mib:8.0f} MiB  loss {loss:.7f}')
    (slow, _, one), (fast, _, other) = results.values()
    return int(fast >= slow or abs(one - other) > 1e-5 * abs(one))


if __name__ == '__main__':
    sys.exit(main())
