"""Time of a transfer's training step, and of its data, against the toolkit's.

Builds a task twice from one config, the same backbone, image size and batch:
once as `ssl-bench transfer` runs it, and once with the toolkit's own runner,
data set, readers of images and masks, anchor assigner, heads and norms, and
without this project's hooks. Both read the same images and take their steps
in turns.

    python benchmarks/transfer_step.py [--data data/mini] [--steps 30]
        [--task mini_coco_mrcnn_fpn mini_voc_det_c4 mini_seg_fcn]
        [--cfg-options KEY=VALUE ...] [--profile]

`step` is everything between two batches: hooks, forward, backward, update and
log. `data` is one batch of the loader, in the same process. Times are CPU
time in ms on a CPU (of the threads, too), time on the clock after waiting for
the device on a GPU: minimum, median and maximum. The ratio is ours to the
toolkit's, of the medians, and of each pair of steps.

For a GPU name the tasks of real size, with their data:

    python benchmarks/transfer_step.py --task coco_mrcnn_fpn_1x --data data
"""

import argparse
import cProfile
import platform
import pstats
import random
import statistics
import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

TASKS = ('mini_coco_mrcnn_fpn', 'mini_voc_det_c4', 'mini_seg_fcn')
# what the task's config names, and what the toolkit has in its place
STOCK = {
    'CocoInstances': 'CocoDataset',
    'LargestOverlapAssigner': 'MaxIoUAssigner',
    'AnchorsOverPadding': 'AnchorGenerator',
    'Detectron2MaskHead': 'FCNMaskHead',
    'NaiveSyncBN': 'BN',
    'mmengine.NaiveSyncBN': 'BN',
    'VOCDetection': 'VOCDataset',
}


def stock(value):
    """A config with the toolkit's classes."""
    if isinstance(value, dict):
        changed = {key: stock(item) for key, item in value.items()}
        if isinstance(changed.get('type'), str):
            changed['type'] = STOCK.get(changed['type'], changed['type'])
        if changed.get('type') == 'VOCDataset':
            changed.pop('serialize_data', None)
        return changed
    if isinstance(value, (list, tuple)):
        return type(value)(map(stock, value))
    return value


def runners(task: str, root: str, options: dict, folder: Path) -> dict:
    """Ours and the toolkit's, ready to train, with the same weights."""
    from mmengine.config import Config, ConfigDict
    from mmengine.device import get_device
    from mmengine.runner import Runner

    from ssl_bench.toolbox.load_images import read_with_care
    from ssl_bench.transfer.plan import make_plan
    from ssl_bench.transfer.source import Source
    from ssl_bench.transfer.toolkit_run import TransferRunner, prepare

    plan = make_plan(
        task,
        data_root=root,
        overrides={
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            **options,
        },
        accelerator=get_device() != 'cpu',
    )
    plain = Config(stock(deepcopy(plan.config.to_dict())))
    for name in ('ours', 'stock'):
        (folder / name).mkdir()
    read_with_care(plan.config, folder / 'ours')
    prepare(plan, Source(None), 0, folder / 'ours', 0, False, False)
    plain.merge_from_dict(
        dict(
            work_dir=str(folder / 'stock'),
            randomness=dict(seed=0),
            experiment_name='stock',
            launcher='none',
        )
    )
    plain.custom_hooks = []
    plain.default_hooks = ConfigDict(plain.default_hooks)
    made = {}
    for name, config, kind in (
        ('ours', plan.config, TransferRunner),
        ('stock', plain, Runner),
    ):
        config.log_level = 'ERROR'
        runner = kind.from_cfg(config)
        runner._train_loop = runner.build_train_loop(runner._train_loop)
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.param_schedulers = runner.build_param_scheduler(
            runner.param_schedulers
        )
        runner._init_model_weights()
        runner.model.train()
        made[name] = runner
    made['stock'].model.load_state_dict(made['ours'].model.state_dict())
    for runner in made.values():
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        runner.optim_wrapper.initialize_count_status(
            runner.model, 0, runner.max_iters
        )
    return made


def seed(number: int) -> None:
    """So that both draw the same changes of an image."""
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def now() -> float:
    """CPU time, or the clock's when the device has caught up, ms."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return 1000 * time.perf_counter()
    return 1000 * time.process_time()


def endless(loader):
    """Batches for ever."""
    while True:
        yield from loader


def measure(made: dict, steps: int, warm: int, profiles: dict) -> dict:
    """Times of each side: ``data`` and ``step``, ms."""
    from mmengine.runner import EpochBasedTrainLoop

    batches = {
        name: endless(runner.train_dataloader) for name, runner in made.items()
    }
    times = {name: dict(data=[], step=[]) for name in made}
    for index in range(warm + steps):
        order = list(made)[:: 1 if index % 2 else -1]
        data = {}
        for name in order:
            seed(index)
            start = now()
            data[name] = next(batches[name])
            times[name]['data'].append(now() - start)
        for name in order:
            seed(index)
            loop = made[name].train_loop
            profile = profiles.get(name)
            # the same batch for both: a crop more or less is no difference
            batch = deepcopy(data['stock'])
            if profile and index >= warm:
                profile.enable()
            start = now()
            if isinstance(loop, EpochBasedTrainLoop):
                loop.run_iter(index, batch)
            else:
                loop.run_iter(batch)
            times[name]['step'].append(now() - start)
            if profile:
                profile.disable()
    return {
        name: {part: values[warm:] for part, values in parts.items()}
        for name, parts in times.items()
    }


def spread(values: list[float]) -> str:
    """Minimum, median and maximum."""
    three = (min(values), statistics.median(values), max(values))
    return ' / '.join(f'{value:.1f}' for value in three)


def report(task: str, times: dict) -> None:
    """Print the rows of a task."""
    for part in ('step', 'data'):
        ours, other = (times[name][part] for name in ('ours', 'stock'))
        pairs = [one / two for one, two in zip(ours, other)]
        ratio = statistics.median(ours) / statistics.median(other)
        quarters = statistics.quantiles(pairs, n=4)
        print(
            f'{task:22}{part:6}{spread(ours):>26}{spread(other):>26}'
            f'{ratio:8.3f}   {quarters[0]:.3f} to {quarters[2]:.3f}',
            flush=True,
        )


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--task', nargs='+', default=TASKS)
    parser.add_argument('--data', default='data/mini')
    parser.add_argument('--steps', type=int, default=30)
    parser.add_argument('--warm', type=int, default=5)
    parser.add_argument('--cfg-options', nargs='+', default=[])
    parser.add_argument('--profile', action='store_true')
    args = parser.parse_args()
    from ssl_bench import register_all_modules
    from ssl_bench.cfg_options import read_options
    from ssl_bench.measuring import device_name

    register_all_modules()
    print(
        f'{device_name()}, torch {torch.__version__}, Python '
        f'{platform.python_version()}'
    )
    print(
        f'{"ms":28}{"ours":>26}{"toolkit":>26}{"ratio":>8}'
        '   middle half of pairs'
    )
    for task in args.task:
        profiles = {}
        if args.profile:
            profiles = {name: cProfile.Profile() for name in ('ours', 'stock')}
        with tempfile.TemporaryDirectory() as folder:
            made = runners(
                task, args.data, read_options(args.cfg_options), Path(folder)
            )
            times = measure(made, args.steps, args.warm, profiles)
        report(task, times)
        for name, profile in profiles.items():
            print(name)
            pstats.Stats(profile).sort_stats('cumtime').print_stats(45)
    return 0


if __name__ == '__main__':
    sys.exit(main())
