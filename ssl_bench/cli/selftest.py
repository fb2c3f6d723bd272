"""One step of every method and task on embedded data, for the doctor.

Each runs in a process of its own, forked from one that has imported the
toolkits: a crash is that one's alone, and nothing is imported twice. The
process calls what `ssl-bench pretrain` and `ssl-bench transfer` call.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ssl_bench.errors import UserError, one_line, unknown_name

MODULE = 'ssl_bench.cli.selftest'  # what a process runs: `main` below
NETWORKS = ('resnet18-w16', 'vit_d96_l4_h3_patch8')
IMAGES = 4  # of the one step of a pretraining
SHARE = 96 / 224  # of the pixels of a view's side, for a ResNet-50
BATCH = 2  # images of a step of a task, at most
WIDE = 2048  # channels of a ResNet-50
# of the width that predictors and decoders have
SMALL_VIT = dict(
    embed_dims=768, num_layers=1, num_heads=12, feedforward_channels=768
)
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
LAST_LINES = 20  # of a process, from which its error is taken
#: Images of each kind.
SIZES = dict(
    imagenet_train=40,
    imagenet_val=16,
    imagenet_px=64,
    voc07_trainval=40,
    voc07_test=16,
    voc12_trainval=8,
    seg_train=8,
    seg_val=4,
    coco_train=8,
    coco_val=4,
    nyu_train=8,
    nyu_test=4,
    spair_trn=2,
    spair_val=2,
    spair_test=2,
    px=96,
)


@dataclass(frozen=True)
class Item:
    """A method or a task.

    Args:
        kind (str): ``method`` or ``task``.
        name (str): A config of a method, or the id of a task.
        after (str): The task whose result it needs.
    """

    kind: str
    name: str
    after: str = ''

    @property
    def again(self) -> str:
        """What a user types to see more, after `ssl-bench data mini`."""
        if self.kind == 'method':
            return f'ssl-bench pretrain {self.name}'
        network = NETWORKS[0]
        return (
            f'ssl-bench transfer random --arch {network} --tasks {self.name}'
        )


@dataclass(frozen=True)
class Outcome:
    """How an item ended.

    Args:
        item (Item): What ran.
        seconds (float): Wall time.
        error (str): In one line; empty if it went well.
    """

    item: Item
    seconds: float
    error: str = ''


def items(names: Sequence[str] = ()) -> list[Item]:
    """Every method and every task on embedded data, or those of the names.

    A method without a config for embedded data is run by one of its paper's.

    Args:
        names (Sequence[str]): Configs or tasks, as `Item.name` has them, or
            methods (``pixpro``), which are all of their configs.

    Raises:
        UserError: A name that is none of them.
    """
    from ssl_bench.catalog import methods
    from ssl_bench.tasks.datasets import MINI_ROOT
    from ssl_bench.tasks.table import tasks

    found = []
    for method in methods().values():
        files = method.short_names
        small = [name for name in files if name.startswith('mini/')]
        found += [Item('method', name) for name in small or files[:1]]
    found += [
        Item('task', task.id, task.trained_by)
        for task in tasks().values()
        if task.root == MINI_ROOT
    ]
    known = {item.name for item in found}
    chosen = {part for name in names for part in _chosen(name, known)}
    wanted = chosen | {i.after for i in found if i.name in chosen}
    return [item for item in found if not names or item.name in wanted]


def _chosen(name: str, known: set[str]) -> set[str]:
    """The items that a name of a user means."""
    from ssl_bench.catalog import find_method

    if name in known:
        return {name}
    try:
        chosen = known.intersection(find_method(name).short_names)
    except UserError:
        chosen = set()
    if not chosen:
        raise unknown_name('method or task of the self-test', name, known)
    return chosen


def selftest(
    names: Sequence[str] = (),
    show: Callable[[Outcome], object] = print,
    jobs: int = 0,
) -> list[Outcome]:
    """Run one step of each in a temporary folder, which is removed.

    Args:
        names (Sequence[str]): As of `items`.
        show (Callable): Is given each `Outcome` as it comes.
        jobs (int): Processes at a time; 0 for one a core, at most four.

    Returns:
        list[Outcome]: Of all.
    """
    from ssl_bench.launch.forked import warm_up

    todo = items(names)
    jobs = jobs or min(os.cpu_count() or 1, 4)
    done: list[Outcome] = []
    warm_up()
    with (
        tempfile.TemporaryDirectory(prefix='ssl_bench_') as folder,
        ThreadPoolExecutor(jobs) as threads,
    ):
        make_data(Path(folder) / 'data')
        for later in (False, True):  # what needs another's result, last
            futures = [
                threads.submit(run_item, item, folder, jobs)
                for item in todo
                if bool(item.after) == later
            ]
            for future in as_completed(futures):
                done.append(future.result())
                show(done[-1])
    return done


def make_data(root: Path) -> None:
    """The embedded data, with a few images of each kind."""
    from ssl_bench.data.mini import MiniSizes, make_mini
    from ssl_bench.data.mini.variants import make_variants
    from ssl_bench.tasks.subsets import write_subset

    make_mini(root, sizes=MiniSizes(**SIZES))
    make_variants(root)
    images = root / 'imagenet'
    write_subset(images / 'train', 50, images / 'meta/semi10.txt', force=True)


def run_item(item: Item, folder: str, jobs: int = 1) -> Outcome:
    """Run one in a process of its own.

    Args:
        item (Item): A method or task.
        folder (str): The temporary folder, with the data.
        jobs (int): Processes at a time, which share the cores.
    """
    from ssl_bench.launch.forked import Forked

    started = time.monotonic()
    cores = max(1, (os.cpu_count() or 1) // jobs)
    process = Forked(
        [item.kind, item.name, folder], {'OMP_NUM_THREADS': str(cores)}, MODULE
    )
    last = [line.strip() for line in process.stdout if line.strip()]
    code = process.wait()
    error = ''
    if code:
        ended = f'ended by signal {-code}' if code < 0 else f'exit code {code}'
        error = one_line([ended, *last][-1], 300)
    return Outcome(item, time.monotonic() - started, error)


def main(words: Sequence[str]) -> int:
    """In a process: run an item; the last line is its error."""
    kind, name, folder = words
    try:
        if kind == 'method':
            run_method(name, Path(folder))
        else:
            run_task(name, Path(folder))
    except UserError as error:
        print(one_line(error))
        return error.exit_code
    except Exception as error:  # whatever is broken is to be one line
        print(f'{type(error).__name__}: {one_line(error)}')
        return 1
    return 0


def run_method(name: str, folder: Path) -> None:
    """Pretrain for one step; the checkpoint is removed.

    Args:
        name (str): A config.
        folder (Path): With ``data``.
    """
    from ssl_bench.config import load_config
    from ssl_bench.engine.pretrain import pretrain

    config = load_config(name)
    config.train_cfg.max_epochs = 1
    loader = config.train_dataloader
    loader.update(batch_size=IMAGES, num_workers=0, persistent_workers=False)
    loader.dataset.update(
        data_root=str(folder / 'data/imagenet/train'), indices=IMAGES
    )
    shrink(config)
    place = folder / name.replace('/', '_')
    try:
        pretrain(config, place, quiet=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def shrink(config: Any) -> None:
    """Make the network of a paper's config small; what learns is the same.

    Args:
        config (mmengine.Config): A pretraining config, changed in place.
    """
    model, net = config.model, config.model.backbone
    if 'depth' not in net:
        if isinstance(net.get('arch'), str):
            net.arch = SMALL_VIT
        return
    if (model.get('neck') or {}).get('in_channels') != WIDE:
        return  # a small one
    net.base_channels = net.stem_channels = 8
    model.neck.in_channels = WIDE // 8
    for view in config.train_dataloader.dataset.pipeline[0].get('views', []):
        view.size = round(view.size * SHARE)


def run_task(name: str, folder: Path) -> None:
    """Transfer a random network with one step of training.

    Args:
        name (str): A task. Where it takes no residual network, a vision
            transformer is transferred.
        folder (Path): With ``data``; the run stays there.
    """
    from ssl_bench.transfer.run import Request, run_request
    from ssl_bench.transfer.source import open_source
    from ssl_bench.transfer.wrong_backbone import WrongBackbone

    work_dir, data = str(folder / 'transfer'), str(folder / 'data')
    options = short(name)
    for network in NETWORKS:
        source = open_source('random', work_dir, network, {}, False)
        request = Request(source, name, 0, work_dir, data, options)
        try:
            run_request(request)
        except WrongBackbone:
            if network == NETWORKS[-1]:
                raise
        else:
            return


def short(task: str) -> dict[str, Any]:
    """Options that make a task one step, as far as its config has them."""
    from ssl_bench.config import load_config
    from ssl_bench.tasks.table import task_config

    config = load_config(task_config(task))
    options: dict[str, Any] = {
        f'train_cfg.{key}': 1
        for key in ('max_iters', 'max_epochs', 'val_interval')
        if key in (config.get('train_cfg') or {})
    }
    for name in LOADERS:
        loader = config.get(name) or {}
        if loader.get('num_workers'):
            options[f'{name}.num_workers'] = 0
            options[f'{name}.persistent_workers'] = False
    batch = (config.get('train_dataloader') or {}).get('batch_size', 0)
    if batch > BATCH:
        options['train_dataloader.batch_size'] = BATCH
    return options


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
