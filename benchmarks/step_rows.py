"""Rows of benchmarks/step.py, and what their numbers depend on."""

import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

import torch


@dataclass
class Row:
    """What is known of one method in one form."""

    method: str
    form: str
    batch: int
    images_per_s: float | None = None
    limit_per_s: float | None = None
    peak_mib: float | None = None
    note: str = ''

    @property
    def share(self) -> float | None:
        """Speed as a fraction of the limit."""
        if not self.images_per_s or not self.limit_per_s:
            return None
        return self.images_per_s / self.limit_per_s


class Report:
    """Prints rows as they come, and keeps a JSON file up to date."""

    def __init__(self, path: Path | None, device: str) -> None:
        self.path, self.rows = path, []
        self.profiles: dict[str, str] = {}
        self.machine = machine(device)
        print(json.dumps(self.machine), flush=True)
        print(
            f'{"method":13} {"form":14} {"batch":>5} {"img/s":>9} '
            f'{"limit":>9} {"share":>6} {"MiB":>7}'
        )

    def add(self, row: Row) -> None:
        """One line, and the file."""
        self.rows.append(asdict(row) | dict(share=row.share))
        numbers = [
            f'{value:9.1f}' if value else f'{"-":>9}'
            for value in (row.images_per_s, row.limit_per_s)
        ]
        share = f'{row.share:6.2f}' if row.share else f'{"-":>6}'
        memory = f'{row.peak_mib:7.0f}' if row.peak_mib else f'{"-":>7}'
        print(
            f'{row.method:13} {row.form:14} {row.batch:5} '
            f'{" ".join(numbers)} {share} {memory} {row.note}',
            flush=True,
        )
        self.write()

    def write(self) -> None:
        """The rows so far."""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            content = dict(
                machine=self.machine, rows=self.rows, profiles=self.profiles
            )
            self.path.write_text(json.dumps(content, indent=1))


def machine(device: str) -> dict:
    """What the numbers depend on."""
    import mmcv
    import torchvision

    facts = dict(
        device=device,
        python=platform.python_version(),
        torch=torch.__version__,
        torchvision=torchvision.__version__,
        mmcv=mmcv.__version__,
        threads=torch.get_num_threads(),
    )
    if device == 'cuda':
        facts |= dict(
            card=torch.cuda.get_device_name(),
            memory_gib=round(
                torch.cuda.get_device_properties(0).total_memory / 2**30, 1
            ),
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version(),
            driver=driver(),
        )
    return facts


def driver() -> str:
    """The version of NVIDIA's driver; empty if it does not tell."""
    try:
        text = Path('/proc/driver/nvidia/version').read_text()
    except OSError:
        return ''
    return next((word for word in text.split() if word.count('.') >= 2), '')
