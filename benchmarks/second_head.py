"""What a second head on cached patches costs next to the first extraction.

A ViT-S/16 with random values reads random images of 224 pixels and its last
map is cached in half precision, as a probe of patches does it. Then each head
is computed from the cache alone. Times are of all cores together (CPU time),
so that other work on the machine does not count.

    python benchmarks/second_head.py [--images 1000] [--test 100]
        [--model vit_small_patch16_224] [--side 224] [--folder DIR]

With ``--rows`` no network runs: so many random rows are cached, 196 of an
image, and the heads read them. It shows what memory they need, of which the
features on disk must be no part:

    python benchmarks/second_head.py --rows 1000000 [--width 384]
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from ssl_bench import register_all_modules
from ssl_bench.transfer.feature_writer import write_features
from ssl_bench.transfer.features import Dealing, Features, load_features
from ssl_bench.transfer.probe_scores import patch_knn, patch_logistic

CLASSES, BATCH, GRID = 21, 32, 14
TAKEN = dict(
    layers='last',
    stages=(4,),
    final_norm=True,
    class_token=False,
    padding='none',
)
PLAIN = dict(
    classes=CLASSES,
    variant='present',
    ignore=[255],
    validation=0.0,
    split_seed=0,
    standardise=True,
)


def memory(name: str) -> float:
    """A line of Linux's account of this process, MiB."""
    status = Path('/proc/self/status').read_text()
    return int(status.split(f'{name}:')[1].split()[0]) / 1024


@contextmanager
def measured(name: str, times: dict[str, float]) -> Iterator[None]:
    """Keep CPU seconds; print them, and the highest memory meanwhile."""
    Path('/proc/self/clear_refs').write_text('5')
    before = memory('VmRSS')
    wall, start = time.time(), time.process_time()
    yield
    times[name] = time.process_time() - start
    print(
        f'{name:20} {times[name]:9.2f} s CPU {time.time() - wall:9.2f} s wall '
        f'{memory("VmHWM"):7.0f} MiB at most, {before:.0f} before'
    )


def masks_of(count: int, side: int, seed: int) -> Tensor:
    """Masks (N, H, W) uint8 of random labels, 7 x 7 areas each."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (count, 7, 7), generator=draw)
    return (
        labels.repeat_interleave(side // 7, 1)
        .repeat_interleave(side // 7, 2)
        .to(torch.uint8)
    )


def write(
    folder: Path,
    count: int,
    side: int,
    features: Callable[[int, int], Tensor],
    seed: int,
) -> Features:
    """Cache a split.

    Args:
        features (Callable): From the first image and the one after the last
            to maps (B, h, w, D).
    """
    dealing = Dealing(count, BATCH, 1)

    def batches(done: int) -> Iterator[tuple[Tensor, Tensor]]:
        for start, stop in dealing.batches_of(0)[done:]:
            yield features(start, stop), masks_of(stop - start, side, seed)

    write_features(folder, batches, dealing, 'float16')
    return load_features(folder)


def network(model: str) -> Callable[[Tensor], Tensor]:
    """From normalised images (B, 3, H, W) to maps (B, h, w, D)."""
    from ssl_bench.checkpoints.timm_nets import TimmNet, to_header
    from ssl_bench.transfer.frozen import Frozen

    backbone = dict(
        type='TimmBackbone', net=to_header(TimmNet(model)), frozen=True
    )
    built = Frozen(
        backbone, dict(mean=[0.0] * 3, std=[1.0] * 3), maps=TAKEN
    ).eval()
    return torch.no_grad()(built.patches)


def heads(train: Features, test: Features, steps: int) -> dict[str, Callable]:
    """One choice of each head, and CAPI's search of its choices."""
    both = dict(neighbours=[1, 3, 10, 30], metrics=['cosine', 'L2'])
    fit = dict(
        memory=5,
        max_iter=steps,
        tol=1e-12,
        line_search=50,
        solver_precision='float64',
    )
    return {
        'kNN, one k': lambda: patch_knn(
            train, test, neighbours=[10], metrics=['cosine'], **PLAIN
        ),
        'kNN, 8 choices': lambda: patch_knn(
            train, test, **both, **{**PLAIN, 'validation': 0.1}
        ),
        f'logistic, {steps} steps': lambda: patch_logistic(
            train, test, costs=[1.0], **fit, **PLAIN
        ),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=1000)
    parser.add_argument('--test', type=int, default=100)
    parser.add_argument('--model', default='vit_small_patch16_224')
    parser.add_argument('--side', type=int, default=224)
    parser.add_argument('--rows', type=int, help='no network: random rows')
    parser.add_argument('--width', type=int, default=384)
    parser.add_argument('--steps', type=int, default=20, help='of L-BFGS')
    parser.add_argument('--folder', help='of the features, while it runs')
    given = parser.parse_args()
    register_all_modules()
    images = given.images
    if given.rows:
        images = given.rows // GRID**2
        bank = torch.randn(BATCH, GRID, GRID, given.width)

        def features(start: int, stop: int) -> Tensor:
            return bank[: stop - start].roll(start // BATCH, 1)
    else:
        net = network(given.model)

        def features(start: int, stop: int) -> Tensor:
            draw = torch.Generator().manual_seed(start)
            size = (stop - start, 3, given.side, given.side)
            return net(torch.randn(size, generator=draw))

    times: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        with measured('first extraction', times):
            for seed, count in enumerate((images, given.test)):
                write(folder / str(seed), count, given.side, features, seed)
        disk = sum(path.stat().st_size for path in folder.rglob('*.npy'))
        with measured('opening the cache', times):
            splits = [load_features(folder / str(seed)) for seed in (0, 1)]
        rows = len(splits[0].features)
        print(f'{rows} training patches, {disk / 2**20:.0f} MiB on disk')
        for title, head in heads(*splits, given.steps).items():
            if given.rows and '8 choices' in title:
                continue  # a tenth of so many images are the queries
            with measured(title, times):
                head()
    if given.rows:
        return
    first = times.pop('first extraction')
    for title, seconds in times.items():
        print(f'{title:20} {100 * seconds / first:7.2f} % of the extraction')


if __name__ == '__main__':
    main()
