"""Time and memory of converting a 400 MB checkpoint.

Writes two checkpoints of about 400 MB into a temporary folder, each in both
of torch's serialisations: MoCo's (ResNet-50, its momentum copy, queue and
optimizer; a quarter is the encoder) and MAE's (ViT-B/16 and decoder; four
fifths are the encoder). Each is converted to a backbone file by ``ssl-bench
convert`` in a process of its own; the time is from start to exit, imports
included, and the memory is the most that the process ever held, mapped files
included. Wall time means something on an idle machine only; the processor
time is next to it.

    python benchmarks/convert.py [--repeats 3]

Exit code 1 when the best run of a file takes 5 s or more of wall time, or
any run 2.5 times the file's size or more.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
MAX_SECONDS, MAX_RATIO = 5.0, 2.5
PROBE = """
import json, os, resource, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(json.dumps(dict(
    seconds=time.perf_counter() - start,
    code=os.waitstatus_to_exitcode(status),
    cpu=usage.ru_utime + usage.ru_stime, mib=usage.ru_maxrss / 1024)))
"""


def prefixed(prefix: str, state: dict) -> dict:
    """The tensors with a prefix."""
    return {prefix + name: tensor for name, tensor in state.items()}


def moco() -> dict:
    """What MoCo v2 saves, with a queue that makes it 400 MB."""
    import torchvision

    state = torchvision.models.resnet50().state_dict()
    copy = {name: tensor.clone() for name, tensor in state.items()}
    momentum = {
        i: dict(momentum_buffer=tensor.clone())
        for i, tensor in enumerate(state.values())
    }
    return dict(
        epoch=200,
        arch='resnet50',
        state_dict={
            **prefixed('module.encoder_q.', state),
            **prefixed('module.encoder_k.', copy),
            'module.queue': torch.randn(128, 180000),
        },
        optimizer=dict(state=momentum, param_groups=[]),
    )


def mae() -> dict:
    """What MAE saves: the encoder and its decoder."""
    import timm

    encoder = timm.create_model('vit_base_patch16_224', num_classes=0)
    decoder = {
        f'decoder_blocks.{i}.mlp.fc1.weight': torch.randn(512, 4096)
        for i in range(8)
    }
    return dict(
        model={**encoder.state_dict(), **decoder},
        args=argparse.Namespace(lr=1e-4),
    )


def convert(path: Path, out: Path) -> dict:
    """Run the command once; what it cost."""
    command = [sys.executable, '-m', 'ssl_bench', 'convert', path, out]
    probe = subprocess.run(
        [sys.executable, '-c', PROBE, *map(str, command)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    found = json.loads(probe.stdout)
    if found['code'] != 0:
        raise SystemExit(f'conversion failed: {probe.stderr}')
    return found


def main() -> int:
    """Print a table; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument('--repeats', type=int, default=3)
    args = parser.parse_args()
    passed = True
    print('| checkpoint | MB | seconds (best) | CPU s | peak MiB | of size |')
    print('| --- | --- | --- | --- | --- | --- |')
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (('MoCo R-50', moco), ('MAE ViT-B', mae)):
            for kind in ('zip', 'legacy'):
                path = Path(folder) / 'checkpoint.pth'
                torch.save(
                    content(),
                    path,
                    _use_new_zipfile_serialization=kind == 'zip',
                )
                runs = [
                    convert(path, Path(folder) / 'out.safetensors')
                    for _ in range(args.repeats)
                ]
                size = path.stat().st_size
                best = min(run['seconds'] for run in runs)
                cpu = min(run['cpu'] for run in runs)
                peak = max(run['mib'] for run in runs)
                ratio = peak * 2**20 / size
                passed &= best < MAX_SECONDS and ratio < MAX_RATIO
                print(
                    f'| {name}, {kind} | {size / 1e6:.0f} | {best:.2f} | '
                    f'{cpu:.2f} | {peak:.0f} | {ratio:.2f} |',
                    flush=True,
                )
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
