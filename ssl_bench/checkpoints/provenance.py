"""What a checkpoint says of its own making."""

import json
from collections.abc import Mapping
from typing import Any

from ssl_bench.checkpoints.backbone import (
    Backbone,
    checked_fields,
    tensors_sha256,
)
from ssl_bench.checkpoints.conventions import CAFFE, CONVENTIONS
from ssl_bench.checkpoints.verify import Report
from ssl_bench.config import parse_config
from ssl_bench.errors import UserError
from ssl_bench.header_fields import cost_of

Fields = dict[str, Any]
MAX_CONFIG = 1 << 22  # characters of a config's text


def _at(tree: Any, path: str) -> Any:
    for key in path.split('.'):
        if isinstance(tree, list) and tree:
            tree = tree[0]
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


# field: where to look, first found wins. ``cfg.`` is the config in the
# checkpoint's meta. What a config says of its data is not looked at: only
# the run knows what it read.
_MMENGINE = {
    'method': ('cfg.method.name', 'cfg.model.type'),
    'variant': ('cfg.method.variant',),
    'pretrain_data': ('cfg.method.read.data',),
    'pretrain_epochs': ('epoch',),
    'pretrain_batch': (
        'cfg.method.batch',
        'cfg.auto_scale_lr.base_batch_size',
    ),
    'config': ('cfg.method.config', 'experiment_name'),
}
# one class of mmpretrain for two methods, told by the neck
_BY_NECK = {'MoCoV2Neck': 'MoCo v2'}


def from_mmengine(
    meta: Mapping[str, Any],
) -> tuple[Fields, dict[str, str], Fields]:
    """Read method, epochs and the like from a checkpoint's ``meta``.

    Args:
        meta (Mapping): mmengine's: ``cfg`` (text), ``epoch``,
            ``experiment_name``.

    Returns:
        tuple: The fields; where each came from; the parsed config.
    """
    cfg = meta.get('cfg')
    config: Fields = {}
    if isinstance(cfg, str) and len(cfg) <= MAX_CONFIG:
        config = parse_config(cfg)
    tree = {**meta, 'cfg': config}
    fields: Fields = {}
    sources: dict[str, str] = {}
    for name, places in _MMENGINE.items():
        for place in places:
            value = _at(tree, place)
            if isinstance(value, (str, int, float)):
                fields[name], sources[name] = value, f'meta.{place}'
                break
    if fields.get('method') == 'MoCo':
        neck = _at(config, 'model.neck.type')
        fields['method'] = _BY_NECK.get(str(neck), 'MoCo v1')
    fields.update(_said_by_the_run(tree))
    return fields, sources, config


def _said_by_the_run(tree: Mapping[str, Any]) -> Fields:
    """What a pretraining of this project wrote of itself, if it did.

    Returns:
        dict: ``read``, what it read; ``departures`` from its config and
        ``changes`` for the machine; ``cost``, if it measured that.

    Raises:
        UserError: The cost is not what a pretraining writes.
    """
    read = _at(tree, 'cfg.method.read')
    if not isinstance(read, Mapping):
        return {}
    found: Fields = dict(read=dict(read))
    for name in ('departures', 'changes'):
        found[name] = list(_at(tree, 'cfg.method')[name] or ())
    if tree.get('cost') is not None:
        try:
            found['cost'] = cost_of(tree['cost'])
        except ValueError as error:
            raise UserError(f'the checkpoint is damaged: {error}.') from error
    done, whole = tree.get('epoch'), _at(tree, 'cfg.train_cfg.max_epochs')
    if type(done) is int and type(whole) is int and done < whole:
        found['departures'].append(f'epoch {done} of a schedule of {whole}')
    return found


def epochs_of(content: Any, last_epoch: int | None) -> tuple[int | None, str]:
    """Epochs of pretraining that an official file says were done.

    Args:
        content: What the file holds.
        last_epoch (int, optional): `formats.Format.last_epoch`.

    Returns:
        tuple[int | None, str]: The number, and where it stood.
    """
    for place in ('epoch', 'meta.epoch'):
        found = _at(content, place)
        if last_epoch is not None and type(found) is int:
            return found + last_epoch, place
    return None, ''


def heads_of(config: Mapping[str, Any]) -> int | None:
    """Attention heads of the backbone in a config; no tensor tells them."""
    backbone = _at(config, 'model.backbone') or {}
    arch = backbone.get('arch')
    if isinstance(arch, Mapping):
        return arch.get('num_heads')
    if isinstance(arch, str) and arch.startswith('mocov3'):
        return 12  # moco-v3's ViT-S has 12, too
    return backbone.get('num_heads')


def convention_of(config: Mapping[str, Any]) -> str | None:
    """The convention of a ResNet in a toolkit's config; no tensor tells it.

    Returns:
        str | None: None where it is torchvision's.

    Raises:
        UserError: Caffe's strides with pixels that are not Caffe's.
    """
    backbone = _at(config, 'model.backbone') or {}
    if backbone.get('style') != CONVENTIONS[CAFFE].style:
        return None
    pixels = (
        _at(config, 'model.data_preprocessor')
        or _at(config, 'data_preprocessor')
        or {}
    )
    if list(pixels.get('std') or ()) != list(CONVENTIONS[CAFFE].std):
        raise UserError(
            "the checkpoint's config has a backbone of style caffe and the "
            f'pixel deviation {pixels.get("std")}: transfer knows this style '
            f'with {CONVENTIONS[CAFFE].std} only.'
        )
    return CAFFE


def stamp(backbone: Backbone) -> str:
    """What an exported file carries of its origin, as one line of JSON."""
    return json.dumps(
        dict(
            meta=backbone.meta,
            tensors_sha256=tensors_sha256(backbone.tensors()),
        ),
        sort_keys=True,
    )


def stamped_meta(
    content: Any, backbone: Backbone, report: Report
) -> Fields | None:
    """The header that `stamp` put into a file, if the weights are the same.

    Args:
        content: What the file holds.
        backbone (Backbone): Its tensors.
        report (Report): Gets a note when the stamp is of other weights.
    """
    text = _find_stamp(content)
    if text is None:
        return None
    try:
        found = json.loads(text)
        same = found['tensors_sha256'] == tensors_sha256(backbone.tensors())
        meta = checked_fields(found['meta'])
        meta['sources'].items()
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        UserError,
    ):
        report.notes.append(
            "the file's ssl_bench stamp is unreadable and was ignored"
        )
        return None
    if not same:
        report.notes.append(
            'ssl_bench wrote this file once, but its weights have changed '
            'since: its old provenance was ignored'
        )
    return meta if same else None


def _find_stamp(content: Any) -> str | None:
    """Where `export` leaves the stamp, container by container."""
    places = (
        getattr(content, '_metadata', None),
        content,
        content.get('meta'),
        content.get('metadata'),
    )
    for place in places:
        found = place.get('ssl_bench') if isinstance(place, Mapping) else None
        if isinstance(found, Mapping):  # of a state dict: per module
            found = found.get('stamp')
        if isinstance(found, str):
            return found
    return None
