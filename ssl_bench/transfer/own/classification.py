"""Tasks on single images, on own class folders."""

from mmengine.config import Config

from ssl_bench.tasks.own import OwnData
from ssl_bench.tasks.table import Task


def fit(config: Config, row: Task, own: OwnData) -> None:
    """Loaders of folders; a head for the classes.

    Args:
        config (Config): Of a task of mmpretrain, or of a probe of images.
        row (Task): The task.
        own (OwnData): Class folders.
    """
    for split, loader in (
        ('train', 'train_dataloader'),
        ('val', 'test_dataloader'),
    ):
        reader = config[loader].dataset
        listed = getattr(own, split).names
        config[loader].dataset = dict(
            type='CustomDataset',
            data_root=f'own:{split}/images',
            pipeline=reader.pipeline,
            **(dict(ann_file=f'own:{split}/names') if listed else {}),
        )
    head = (config.get('model') or {}).get('head')
    if head is not None:
        head.num_classes = len(own.classes)
