"""Protocols of the tasks on frozen maps, as a table made from their configs.

docs/protocols.md holds it between marks (``ssl-bench tasks --protocols
--update docs/protocols.md``), and a test that it is up to date. A cell is what
a config says, so a fact has one place.
"""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from ssl_bench.config import load_config, read_literals
from ssl_bench.markdown_sections import replace_section
from ssl_bench.tasks.datasets import MINI_ROOT
from ssl_bench.tasks.table import task_config, tasks

MARK = 'protocols'
SIZES = ('size', 'scale', 'stride')  # fields that are two sides
MOST_VALUES = 4  # of a list that is written out
NOTHING = '–'  # the field is not one of this kind of task
NO_LIMIT = 10**6  # a longer side is as long as the image
STEPS = 'test_dataloader.dataset.pipeline'
PIXELS = f'{STEPS}.Resize.scale'
SEVERAL = f'{STEPS}.TestTimeAug.transforms.0.Resize.scale'

# Part of the table, column, and the fields that a cell shows: a place in the
# config, and its name in the cell where the column alone does not tell.
PARTS: dict[str, dict[str, dict[str, str]]] = {
    'What enters the head': {
        'layers': {'{maps}.layers': ''},
        'stages': {'{maps}.stages': ''},
        'final norm': {'{maps}.final_norm': ''},
        'class token': {'{maps}.class_token': ''},
        'padding': {'{maps}.padding': ''},
        'maps are resized': {
            'model.decode_head.map_size': 'to',
            'model.decode_head.upsample': 'times',
        },
        'head norm': {
            'model.decode_head.norm_cfg.type': '',
            'model.decode_head.norm_cfg': '',
            'model.decode_head.dropout_ratio': 'after dropout',
            'probe.standardise': 'standardised',
        },
        'features on disk': {'probe.precision': ''},
    },
    'Training': {
        'loss divided by': {
            'model.decode_head.loss_decode.divide_by': '',
            'model.loss_depth.type': '',
            'model.head.reduction': 'over heads:',
        },
        'labels of the loss': {'model.decode_head.label_size': ''},
        'label pixels of padding': {'model.data_preprocessor.seg_pad_val': ''},
        'gradient loss': {'model.loss_depth.gradient': ''},
        'optimizer': {
            'optim_wrapper.optimizer.type': '',
            'optim_wrapper.optimizer.lr': 'lr',
            'optim_wrapper.optimizer.weight_decay': 'decay',
            'optim_wrapper.clip_grad.max_norm': 'clipped at',
        },
        'batch': {'auto_scale_lr.base_batch_size': ''},
        'length': {
            'train_cfg.max_iters': 'iterations',
            'train_cfg.max_epochs': 'epochs',
        },
        'chosen': {
            'probe.neighbours': 'neighbours',
            'probe.metrics': 'distance',
            'probe.costs': 'C:',
            'probe.validation': 'on a part of',
            'probe.split_seed': 'drawn with seed',
            'model.head.sources': 'a head of each',
            'model.head.rates': 'rates:',
            'model.head.decays': 'decays:',
            'train_dataloader.sampler.share': 'on a part of',
            'train_dataloader.sampler.split_seed': 'drawn with seed',
        },
        'memory': {
            'probe.k': 'neighbours',
            'probe.temperature': 'temperature',
            'probe.memory_size': 'patches',
        },
    },
    'Test': {
        'image': {PIXELS: '', SEVERAL: ''},
        'window or whole': {
            'model.test_cfg.mode': '',
            'model.test_cfg.crop_size': '',
            'model.test_cfg.stride': 'stride',
            'model.test_cfg.flip': 'mirrored, mean of each',
            'model.test_cfg.clamp': 'clamped: each',
        },
        'scored at': {'model.score_size': ''},
        'ignored labels': {
            'model.decode_head.ignore_index': '',
            'probe.ignore': '',
            'probe.void_class': '255 counts in the memory as',
        },
        'score': {
            'test_evaluator.type': '',
            'test_evaluator.variant': '',
            'probe.type': '',
            'probe.variant': '',
            'probe.share': 'within',
            'test_evaluator.rectangle': 'rectangle',
        },
        'checkpoint': {'checkpoint_choice.best': ''},
        'pairs': {
            'test_dataloader.dataset.pairs_per_category': 'of a category',
            'test_dataloader.dataset.shuffle_seed': 'drawn with seed',
        },
    },
}
# values that a word says better, by place
WORDS: dict[str, dict[Any, str]] = {
    'model.decode_head.map_size': {None: ''},
    'model.decode_head.upsample': {1: ''},
    'model.decode_head.label_size': {None: 'their own size'},
    'model.decode_head.dropout_ratio': {0.0: ''},
    'model.score_size': {None: "the label's size"},
    'checkpoint_choice.best': {
        False: 'the last',
        True: 'the last, and the best on the test set',
    },
    'probe.standardise': {True: 'yes', False: 'no'},
    'test_dataloader.dataset.pairs_per_category': {None: 'all'},
    'test_dataloader.dataset.shuffle_seed': {None: ''},
}


def frozen_tasks() -> dict[str, Any]:
    """Configs by id of the tasks that say which maps they take.

    Those on embedded data are scaled from these, and left out.
    """
    found = {}
    for name, task in tasks().items():
        path = task_config(name)
        if task.root != MINI_ROOT and maps_of(read_literals(path)):
            found[name] = load_config(path)
    return found


def maps_of(config: Any) -> str:
    """Where a config says which maps it takes; empty if nowhere."""
    places = ('model.maps', 'probe.maps')
    return next((p for p in places if [*_values(config, p)]), '')


def cell(config: Any, fields: dict[str, str]) -> str:
    """What a config says of some fields; `NOTHING` if it has none of them.

    Args:
        config (Config): Of a task.
        fields (dict): As of a column of `PARTS`.
    """
    texts, known = [], False
    for place, name in fields.items():
        for value in _values(config, place.replace('{maps}', maps_of(config))):
            if isinstance(value, dict):
                continue  # it has fields of its own
            known = True
            text = _text(value, place)
            if text:
                texts.append(f'{name} {text}'.strip())
    return (', '.join(dict.fromkeys(texts)) or 'no') if known else NOTHING


def _values(node: Any, place: str) -> Iterator[Any]:
    """What is at a dotted place, whose steps may be types in a list."""
    step, _, rest = place.partition('.')
    found: list[Any] = []
    if isinstance(node, (Config, dict)):
        found = [node[step]] if step in node else []
    elif isinstance(node, (list, tuple)):
        found = [
            item
            for index, item in enumerate(node)
            if step == str(index)
            or (isinstance(item, dict) and item.get('type') == step)
        ]
    for item in found:
        yield from _values(item, rest) if rest else [item]


def _text(value: Any, place: str = '') -> str:
    """A value for readers: ``512 x 512``, ``yes``, ``0.1``."""
    if isinstance(value, (list, tuple)):
        if place.endswith(SIZES):
            return _size(*value)
        if len(value) > MOST_VALUES:
            ends = _text(value[0]), _text(value[-1])
            return f'{len(value)} from {" to ".join(ends)}'
        return ' '.join(map(_text, value))
    words = WORDS.get(place, {})
    if value in words:
        return words[value]
    if value is None:
        return 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return f'{value:g}' if isinstance(value, float) else str(value)


def _size(first: int, second: int) -> str:
    if first > NO_LIMIT:
        return f'short side {second}'
    return f'{first} x {second}'


def rows(
    configs: dict[str, Any], columns: dict[str, dict[str, str]]
) -> Iterator[tuple[str, ...]]:
    """Lines of one part: tasks that say the same are one line."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, config in configs.items():
        cells = tuple(cell(config, fields) for fields in columns.values())
        alike.setdefault(cells, []).append(name)
    for cells, names in alike.items():
        if set(cells) != {NOTHING}:
            yield (', '.join(f'`{name}`' for name in names), *cells)


def protocol_table() -> str:
    """All parts, in Markdown."""
    configs = frozen_tasks()
    parts = []
    for title, columns in PARTS.items():
        lines = [('tasks', *columns), ('---',) * (len(columns) + 1)]
        lines += list(rows(configs, columns))
        table = '\n'.join(f'| {" | ".join(line)} |' for line in lines)
        parts.append(f'**{title}**\n\n{table}')
    return '\n\n'.join(parts)


def with_protocols(text: str) -> str:
    """A Markdown text whose section `MARK` is the present table.

    Raises:
        UserError: The text does not have the marks.
    """
    return replace_section(text, MARK, protocol_table())
