"""What a checkpoint says of its own making."""
import ast
from typing import Any, Dict, Mapping, Optional, Tuple

Fields = Dict[str, Any]


def parse_config(text: str) -> Fields:
    """Read the top-level values of a dumped mmengine config, running nothing.

    Args:
        text (str): ``Config.pretty_text``: assignments of literals and
            ``dict(...)``.

    Returns:
        dict: What could be read; a value that is no literal is left out.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    fields = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and \
                isinstance(node.targets[0], ast.Name):
            fields[node.targets[0].id] = _literal(node.value)
    return fields


def _literal(node: ast.AST) -> Any:
    """A literal's value, None for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and \
            node.func.id == 'dict':
        return {word.arg: _literal(word.value) for word in node.keywords
                if word.arg}
    if isinstance(node, ast.Dict):
        return {_literal(key): _literal(value)
                for key, value in zip(node.keys, node.values)
                if isinstance(key, ast.Constant)}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_literal(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _at(tree: Any, path: str) -> Any:
    for key in path.split('.'):
        if isinstance(tree, list) and tree:
            tree = tree[0]
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


# field: where to look, first found wins. ``cfg.`` is the config in the
# checkpoint's meta.
_MMENGINE = {
    'method': ('cfg.method.name', 'cfg.model.type'),
    'variant': ('cfg.method.variant',),
    'pretrain_data': ('cfg.train_dataloader.dataset.name',
                      'cfg.train_dataloader.dataset.data_root'),
    'pretrain_epochs': ('epoch',),
    'pretrain_batch': ('cfg.auto_scale_lr.base_batch_size',),
    'config': ('experiment_name',),
}


def from_mmengine(meta: Mapping[str, Any]
                  ) -> Tuple[Fields, Dict[str, str], Fields]:
    """Read method, epochs and the like from a checkpoint's ``meta``.

    Args:
        meta (Mapping): mmengine's: ``cfg`` (text), ``epoch``,
            ``experiment_name``.

    Returns:
        tuple: The fields; where each came from; the parsed config.
    """
    cfg = meta.get('cfg')
    config = parse_config(cfg) if isinstance(cfg, str) else {}
    tree = {**meta, 'cfg': config}
    fields, sources = {}, {}
    for name, places in _MMENGINE.items():
        for place in places:
            value = _at(tree, place)
            if isinstance(value, (str, int, float)):
                fields[name], sources[name] = value, f'meta.{place}'
                break
    return fields, sources, config


def heads_of(config: Mapping[str, Any]) -> Optional[int]:
    """Attention heads of the backbone in a config; no tensor tells them."""
    backbone = _at(config, 'model.backbone') or {}
    arch = backbone.get('arch')
    if isinstance(arch, Mapping):
        return arch.get('num_heads')
    if isinstance(arch, str) and arch.startswith('mocov3'):
        return 12  # moco-v3's ViT-S has 12, too
    return backbone.get('num_heads')
