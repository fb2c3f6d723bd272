"""What a pretraining read and changed, for its checkpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ssl_bench.config import config_dir, parse_config
from ssl_bench.config_keys import plain_keys
from ssl_bench.data.storage import ImageList, Names
from ssl_bench.engine.speed import begun_with
from ssl_bench.tasks.pretraining_sets import (
    ReadImages,
    custom,
    describe_images,
)

# Options that change where things are and how fast it goes, not what is
# learnt; the name of the data says what was read.
OF_THE_MACHINE = (
    'console_level',
    'default_hooks.checkpoint.',
    'default_hooks.logger.',
    'log_',
    'photometric',
    'speed.',
    'train_dataloader.dataset.data_root',
    'train_dataloader.dataset.unreadable_limit',
    'train_dataloader.num_workers',
    'train_dataloader.persistent_workers',
    'train_dataloader.pin_memory',
    'train_dataloader.prefetch_factor',
    'view_sheet',
    'vis',
)


class ProvenanceHook(Hook):
    """Write into the settings of a run what it reads.

    A checkpoint carries the settings (``method.read`` and
    ``method.departures``) to the backbone file and to every record.

    Args:
        departures (list[str]): What is otherwise than the config of the
            method says.
        changes (list[str]): What was fitted to the machine.
    """

    # before the hook that saves checkpoints
    priority = 'VERY_HIGH'

    def __init__(self, departures: list[str], changes: list[str]) -> None:
        self.departures = departures
        self.changes = changes
        self.before: dict[str, Any] = {}

    def after_load_checkpoint(
        self, runner: Runner, checkpoint: dict[str, Any]
    ) -> None:
        """Keep what a run that is continued said of itself."""
        text = (checkpoint.get('meta') or {}).get('cfg')
        if isinstance(text, str):
            self.before = parse_config(text).get('method') or {}

    def before_train(self, runner: Runner) -> None:
        """List the images of the loader; name them by what they are."""
        if not is_main_process():
            return
        read = _images_of(runner.train_dataloader.dataset)._asdict()
        departures = list(self.departures)
        earlier = self.before.get('read') or read
        if earlier['fingerprint'] != read['fingerprint']:
            departures.append(f'begun on {earlier["data"]}')
        departures += [
            text
            for text in self.before.get('departures') or ()
            if text not in departures
        ]
        runner.cfg.method.read = read
        runner.cfg.method.departures = departures
        runner.cfg.method.changes = self.changes + begun_with(
            self.before.get('changes'), self.changes
        )


def _images_of(dataset: Any) -> ReadImages:
    """What a data set reads; one that does not list files is its class."""
    folder = getattr(dataset, 'img_prefix', '') or getattr(
        dataset, 'data_root', ''
    )
    folder = str(folder).rstrip('/')
    try:
        names = (
            dataset.images.names
            if isinstance(getattr(dataset, 'images', None), ImageList)
            else Names.of(
                sorted(
                    dataset.get_data_info(index)['img_path'].removeprefix(
                        f'{folder}/'
                    )
                    for index in range(len(dataset))
                )
            )
        )
    except (AttributeError, KeyError, TypeError):
        kind = type(dataset).__name__
        return ReadImages(custom(kind, len(dataset)), kind, len(dataset), '')
    return describe_images(folder, names, names.fingerprint())


def departures_of(
    config: Config, options: Mapping[str, Any], batch: int
) -> list[str]:
    """What a run does otherwise than the config of its method.

    Args:
        config (Config): With the options applied.
        options (Mapping[str, Any]): Dotted keys and values of the user.
        batch (int): Images per optimizer step.
    """
    found = [
        f'{key}={value}'
        for key, value in plain_keys(options).items()
        if not key.startswith(OF_THE_MACHINE)
    ]
    if config.filename:
        file = Path(config.filename).resolve()
        if not file.is_relative_to(config_dir().resolve()):
            found.append(f'own config {file.name}')
    base = config.auto_scale_lr.base_batch_size
    if batch != base:
        rate = 'scaled' if config.auto_scale_lr.get('enable') else 'not scaled'
        found.append(f'batch {batch} instead of {base}, rate {rate}')
    return found


def changes_of(options: Mapping[str, Any]) -> list[str]:
    """The user's options that are about the machine.

    ``photometric`` and those of ``speed`` are left out: lines say what is on.
    ``view_sheet`` changes nothing of the run.
    """
    return [
        f'{key}={value}'
        for key, value in plain_keys(options).items()
        if key.startswith(OF_THE_MACHINE)
        and not key.startswith(('photometric', 'speed.', 'view_sheet'))
    ]
