"""Proof that an encoder is whole: every tensor of its network, no other."""

from typing import Any

from torch import Tensor

from ssl_bench.checkpoints.arch_names import canonical_arch, same_arch
from ssl_bench.checkpoints.architectures import Architecture, ViT, recognise
from ssl_bench.checkpoints.encoder import refuse_unsupported
from ssl_bench.checkpoints.timm_families import Mapped
from ssl_bench.checkpoints.unsupported import is_part
from ssl_bench.checkpoints.values import check_types
from ssl_bench.checkpoints.verify import Report, compare, grouped, suspicious
from ssl_bench.errors import UserError

State = dict[str, Tensor]


def verify(
    state: State, arch: str | None, path: Any, origin: str
) -> tuple[Architecture, Report]:
    """Prove that every tensor of the architecture is there.

    Args:
        state (dict[str, Tensor]): The encoder, heads removed.
        arch (str, optional): What it must be.
        path: The file, for messages.
        origin (str): How the tensors were found, for messages.

    Raises:
        UserError: It is another architecture than asked for, or tensors are
            missing, unexpected or of another shape.
    """
    architecture = recognise(state)
    if architecture is None:
        refuse_unsupported(state, path)
        raise UserError(
            f'{path}: the tensors of {origin} make no ResNet and no ViT: '
            + grouped(state)
        )
    report = compare(state, architecture.shapes())
    if not report.complete:
        names = [*report.unexpected, *report.missing]
        refuse_unsupported(state, path, names)
    check_arch(arch, architecture, path)
    if not report.complete:
        raise UserError(
            f'{path} does not hold a whole {architecture.name} (read as '
            f'{origin}): {report.problems()}.{_advice(report)}'
        )
    if isinstance(architecture, ViT) and not (
        architecture.grid or architecture.rel_pos
    ):
        raise UserError(
            f'{path} holds the blocks of a ViT and no position table: its '
            'positions are lost or are computed (rotary), and a plain ViT '
            'without them computes something else'
        )
    check_types(state, path)
    report.warnings = suspicious(state)
    return architecture, report


def verify_timm(
    mapped: Mapped, arch: str | None, path: Any, origin: str
) -> Report:
    """Prove that every tensor of a network of timm's is there.

    Args:
        mapped (Mapped): The network, and its tensors in timm's names.
        arch (str, optional): What it must be.
        path: The file, for messages.
        origin (str): How the tensors were found, for messages.

    Raises:
        UserError: It is another architecture than asked for, or tensors are
            missing, unexpected or of another shape.
    """
    report = compare(mapped.state, mapped.net.shapes())
    report.missing = [n for n in report.missing if n not in mapped.fresh]
    check_arch(arch, mapped.net, path)
    if not report.complete:
        raise UserError(
            f'{path} does not hold a whole {mapped.net.name} (read as '
            f"{origin}; in timm's names): {report.problems()}"
        )
    check_types(mapped.state, path)
    report.warnings = suspicious(mapped.state)
    return report


def check_arch(
    arch: str | None, architecture: Architecture, path: Any
) -> None:
    """Check that a file holds what the user says.

    Raises:
        UserError: It is another architecture.
    """
    if arch is not None and not same_arch(arch, architecture):
        raise UserError(
            f'{path} holds {architecture.name}, not {canonical_arch(arch)}: '
            'leave --arch away or give the other file'
        )


def _advice(report: Report) -> str:
    """What to do about an encoder that is not whole."""
    surplus = [name for name in report.unexpected if not is_part(name)]
    if report.missing or report.misshapen or surplus != report.unexpected:
        return ' If the format was guessed wrongly give --from or --prefix'
    words = list(dict.fromkeys(f'{n.split(".")[0]}' for n in surplus))
    return (
        ' If they do not belong to the encoder, leave them aside with '
        f'--drop {" ".join(words[:5])}'
    )
