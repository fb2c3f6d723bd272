"""A folder that transformers saved: its config.json, and its names."""

import re

import torch

from ssl_bench.checkpoints.timm_families.base import Facts, State
from ssl_bench.errors import UserError, one_line, printable

Rows = list[tuple[str, str]]
# classes with a task's head put their backbone behind one of these
_PREFIX = re.compile(
    r'(?:dinov2|dinov2_with_registers|dinov3_vit|dinov3_convnext|ijepa|vit'
    r'|convnextv2|convnext|backbone|model)\.(?=embeddings\.|encoder\.'
    r'|layers?\.|layer_?norm\.|stages\.|norm\.)'
)
# transformers 5 in memory, and in a file
_NAMES_OF_5: Rows = [
    (r'attention\.q_proj\.', 'attention.attention.query.'),
    (r'attention\.k_proj\.', 'attention.attention.key.'),
    (r'attention\.v_proj\.', 'attention.attention.value.'),
    (r'attention\.o_proj\.', 'attention.output.dense.'),
]


def bare(name: str) -> str:
    """A name without the word of a class that has a task's head."""
    return _PREFIX.sub('', name, count=1) if _PREFIX.match(name) else name


class Config:
    """A folder's ``config.json``, checked where it is looked at.

    Args:
        facts (Facts): Of the file.
        *kinds (str): The ``model_type`` that the tensors' names are of.

    Raises:
        UserError: There is none, or it is of another kind.
    """

    def __init__(self, facts: Facts, *kinds: str) -> None:
        self.facts = facts
        self.values = facts.config
        if not self.values:
            raise UserError(
                f'{facts.path} has the names of transformers ({kinds[0]}) '
                'and no config.json next to it, which tells the heads and '
                "the epsilon: put the folder's config.json next to it"
            )
        said = one_line(printable(self.values.get('model_type')))
        if said not in kinds:
            raise UserError(
                f'{facts.path}: config.json says model_type '
                f'{said!r}, and the tensors have the names of {kinds[0]}: '
                'one of them is of another folder'
            )

    def number(self, key: str) -> float:
        """A positive number.

        Raises:
            UserError: It is missing, or is none.
        """
        if key not in self.values:
            raise UserError(
                f'{self.facts.path}: config.json does not say {key}, without '
                'which the network computes something else'
            )
        value = self.values[key]
        if isinstance(value, list) and value and value == value[:1] * 2:
            value = value[0]  # of both sides of an image
        if type(value) not in (int, float) or not 0 < value < 1e9:
            raise UserError(
                f'{self.facts.path}: config.json says {key} '
                f'{one_line(printable(repr(value)))}, where a positive '
                'number is expected'
            )
        return float(value)

    def whole(self, key: str) -> int:
        """A positive whole number."""
        value = self.number(key)
        if value != int(value):
            raise UserError(
                f'{self.facts.path}: config.json says {key} {value}, where a '
                'whole number is expected'
            )
        return int(value)

    def agrees(self, key: str, found: int) -> None:
        """Refuse a size that the tensors do not have.

        Raises:
            UserError: The config says another.
        """
        if self.whole(key) != found:
            raise UserError(
                f'{self.facts.path}: config.json says {key} '
                f'{self.whole(key)}, and the tensors have {found}'
            )

    def activation(self, wanted: str) -> None:
        """Refuse another activation than the one that is built.

        Raises:
            UserError: It is another; without a word it is the classes' own,
                ``gelu``.
        """
        said = self.values.get('hidden_act', 'gelu')
        if said != wanted:
            raise UserError(
                f'{self.facts.path}: config.json says hidden_act '
                f'{one_line(printable(said))!r}; only {wanted!r} is read here'
            )


def renamed(
    state: State, facts: Facts, block: str, rows: Rows, others: Rows
) -> State:
    """The tensors in timm's names; names of no row stay as they are.

    Args:
        state (dict[str, Tensor]): Of the file.
        facts (Facts): For messages.
        block (str): Pattern before a block's names, with its number.
        rows (list): Pattern and replacement of a block's names.
        others (list): The same, of the names outside the blocks.
    """
    found: State = {}
    for name, tensor in state.items():
        new = bare(name)
        match = re.match(block, new)
        table = rows if match else others
        inside = new[match.end() :] if match else new
        for pattern, target in table:
            hit = re.match(pattern, inside)
            if hit:
                inside = hit.expand(target) + inside[hit.end() :]
                break
        new = f'blocks.{match[1]}.{inside}' if match else inside
        if new in found:
            raise UserError(f'{facts.path} holds {new} twice')
        found[new] = tensor
    return found


def as_saved(state: State) -> State:
    """The names in a file for those that transformers 5 has in memory."""
    found: State = {}
    for name, tensor in state.items():
        for pattern, target in _NAMES_OF_5:
            name = re.sub(rf'(?<=\.){pattern}', target, name)
        found[name] = tensor
    return found


def fuse(state: State, facts: Facts, biases: bool) -> State:
    """Query, key and value of each block, (D, D) each, as (3D, D).

    Args:
        state (dict[str, Tensor]): With ``attn.q.weight`` and the like.
        facts (Facts): For messages.
        biases (bool): Fuse the biases too; otherwise they get EVA's names.

    Raises:
        UserError: One of the three is missing.
    """
    found = dict(state)
    for name in state:
        match = re.match(r'(blocks\.\d+\.attn)\.q\.(weight|bias)\Z', name)
        if not match or (match[2] == 'bias' and not biases):
            continue
        parts = [f'{match[1]}.{part}.{match[2]}' for part in 'qkv']
        lost = [part for part in parts if part not in state]
        if lost or len({state[part].shape for part in parts}) > 1:
            raise UserError(
                f'{facts.path}: {match[1]} lacks its query, key or value '
                f'({", ".join(lost) or "their shapes differ"})'
            )
        joined = torch.cat([found.pop(part) for part in parts])
        found[f'{match[1]}.qkv.{match[2]}'] = joined
    return found
