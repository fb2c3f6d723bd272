"""What a family of checkpoints is: how it is told, and how it is mapped."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.timm_nets import TimmNet

State = dict[str, Tensor]


@dataclass(frozen=True)
class Facts:
    """What stands in a file next to the network's tensors.

    Args:
        path (Any): The file, for messages.
        container (Mapping): The file's other entries: ``args``, ``config``,
            ``epoch``; values may be shapes of objects that were not built.
        config (Mapping): A transformers folder's ``config.json``, or empty.
        names (frozenset[str]): Every name of the network in the file, the
            dropped ones too.
        arch (str): What the user says that it is (``--arch``), or ''.
        method (str): What pretrained it, as the user or the publisher's name
            says, or ''.
    """

    path: Any
    container: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    arch: str = ''
    method: str = ''


@dataclass
class Mapped:
    """A family's answer: the network, and its tensors in timm's names.

    Args:
        net (TimmNet): What builds it.
        state (dict[str, Tensor]): Compared with ``net.shapes()`` strictly.
        fresh (tuple[str]): Names of the network that this family's files
            rightly lack: a final norm that was never trained.
        notes (list[str]): What was done to values.
        method (str): What this file says of its method beyond
            `Family.method`, or ''.
        last_epoch (int, optional): What the program's count of epochs lacks
            of the number done; None where it says nothing of pretraining.
    """

    net: TimmNet
    state: State
    fresh: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    method: str = ''
    last_epoch: int | None = None


@dataclass(frozen=True)
class Family:
    """Checkpoints whose networks have the same names.

    Args:
        name (str): What ``--from`` takes and a header says.
        fits (Callable): Whether a network's names and tensors, after its
            container and prefix were removed, are of this family. The
            families are asked in order; the first that fits is taken.
        drop (tuple[str]): Patterns (``re.match``) of names that never
            transfer: heads, decoders, mask tokens. They are removed before
            `read` gets the tensors, so `read` must refuse the rest.
        read (Callable): Maps the tensors; gets a copy of the dictionary.
        keeps (tuple[str]): Of the dropped names, those that `read` needs to
            see (timm's filter recognises DINOv2 by ``mask_token``).
        method (str): The one method that writes such files, or ''.
    """

    name: str
    fits: Callable[[Mapping[str, Tensor]], bool]
    read: Callable[[State, Facts], Mapped]
    drop: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    method: str = ''
