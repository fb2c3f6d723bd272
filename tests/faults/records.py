"""Mutates records and what is next to them: the board must stay.

Valid files are changed bytewise and by their structure. After each change
the leaderboard runs: never a traceback, exit code 0 or 3, and the rows of the
files that were not changed stay the same.

    python -m tests.faults.records --rounds 3000 --seed 1
"""

import argparse
import contextlib
import io
import json
import random
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

from PIL import Image

from ssl_bench import cli
from ssl_bench.results import write_record
from ssl_bench.results.annotate import annotate
from ssl_bench.results.bundle import export_bundle
from ssl_bench.results.curves import find_curves
from ssl_bench.results.pictures import find_pictures
from tests.results.factory import make_record

ODD_VALUES = (
    None, True, -1, 0, 1.5, -0.0, 1e308, 10**400, 10**30, float('nan'),
    float('inf'), '', 'x', '\ud800', '\x1b[31m', '\u202e', '=1+1', '__proto__',
    'x' * 10_000, '../..', '\x00', [], {}, [[]], [1], {'x': 1},
    {'__proto__': {}}, json.loads('[' * 40 + ']' * 40),
)  # fmt: skip
ODD_TEXTS = (
    b'', b'NaN', b'1e999', b'-Infinity', b'9' * 400, b'[' * 2000, b'{', b'}',
    b'"', b'\\ud800', b'\xff', b'\x00', b'\xef\xbb\xbf', b'null', b',',
    b'"seed": 1,', b'__proto__',
)  # fmt: skip


def mutate_bytes(data: bytes, dice: random.Random) -> bytes:
    """One to four small changes anywhere."""
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice((0, 1, 1, 4, 40)))
        kind = dice.randrange(4)
        if kind == 0:
            middle = dice.choice(ODD_TEXTS)
        elif kind == 1:
            middle = bytes(dice.randrange(256) for _ in range(end - start))
        elif kind == 2:
            middle = data[start:end] * 2
        else:
            middle, end = b'', end if dice.random() < 0.8 else len(data)
        data = data[:start] + middle + data[end:]
    return data


def mutate_values(value: object, dice: random.Random) -> object:
    """A value, a name, or a field more or less, anywhere."""
    places = []

    def visit(item):
        if isinstance(item, dict):
            places.extend((item, name) for name in item)
            for below in item.values():
                visit(below)

    visit(value)
    for _ in range(dice.randint(1, 3)):
        group, name = dice.choice(places)
        odd = dice.choice(ODD_VALUES)
        kind = dice.randrange(4)
        if kind == 0:
            group.pop(name, None)
        elif kind == 1 and isinstance(odd, str):
            group[odd] = group.pop(name, 1)
        else:
            group[name] = odd
    return value


def mutate_record(data: bytes, dice: random.Random) -> bytes:
    """By its bytes, or by its values, with or without its digest."""
    if dice.random() < 0.4:
        return mutate_bytes(data, dice)
    record = json.loads(data)
    if dice.random() < 0.8:
        record.pop('record_sha256', None)
    return json.dumps(mutate_values(record, dice)).encode()


def leaderboard(*words: object) -> tuple[int, str, str]:
    """Exit code and the two outputs; an exception goes through."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(['leaderboard', *map(str, words)])
    return code, out.getvalue(), err.getvalue()


class Fuzzer:
    """A folder with good files and one that is changed each round.

    Args:
        top (Path): An empty folder.
        seed (int): Of the changes.
    """

    def __init__(self, top: Path, seed: int) -> None:
        self.top, self.dice = top, random.Random(seed)
        self.runs = top / 'runs'
        for seed_of_run in range(3):
            folder = self.runs / f'good{seed_of_run}'
            write_record(folder, make_record(seed=seed_of_run))
        export_bundle([self.runs], top / 'good.zip')
        self.expected = self.rows()
        bad = self.runs / 'bad'
        write_record(bad, make_record('Foreign'))
        annotate(bad, dict(pretrain_batch=7), 'A', 'B')
        log = bad / 'vis_data' / 'scalars.json'
        log.parent.mkdir()
        log.write_text('{"loss": 1.5, "step": 1}\n{"loss": 1.0, "step": 2}\n')
        Image.new('RGB', (64, 64), 'red').save(bad / 'grid.png')
        self.files = {
            'record': bad / 'result.json',
            'correction': bad / 'result.corrections.json',
            'log': log,
            'picture': bad / 'grid.png',
            'bundle': top / 'good.zip',
        }
        self.whole = {
            kind: path.read_bytes() for kind, path in self.files.items()
        }

    def rows(self) -> list[str]:
        """What the CSV says of the good records."""
        code, text, err = leaderboard(
            self.runs, '--format', 'csv', '--published', 'none'
        )
        assert code in (0, 3), err
        assert '\x1b' not in text + err and '\u202e' not in text + err
        return [
            ','.join(line.split(',')[:10])
            for line in text.splitlines()
            if line.startswith('MoCo v2,')
        ]

    def round(self) -> str:
        """Change one file and look; its kind and what came of it."""
        kinds = ['record'] * 6 + [k for k in self.files if k != 'record']
        kind = self.dice.choice(kinds)
        mutate = mutate_record if kind == 'record' else mutate_bytes
        data = mutate(self.whole[kind], self.dice)
        path = self.files[kind]
        path.write_bytes(data)
        try:
            return f'{kind}: {self.look(kind, path)}'
        except BaseException:
            kept = Path(tempfile.gettempdir()) / f'fuzzed_{path.name}'
            kept.write_bytes(data)
            print(f'{kind}: kept as {kept}', file=sys.stderr)
            raise
        finally:
            path.write_bytes(self.whole[kind])

    def look(self, kind: str, path: Path) -> str:
        """Run what reads a kind of file."""
        if kind in ('log', 'picture'):
            if kind == 'log':
                found, problems = find_curves([self.runs], [])
            else:
                pictures = find_pictures([self.runs], [])
                found, problems = pictures.pictures, pictures.problems
            assert len(found) + len(problems) <= 1
            return 'named' if problems else 'read'
        if kind == 'bundle':
            into = self.top / 'into'
            code, _, err = leaderboard('import', path, '-o', into)
            assert code in (0, 2) and (code == 0) == into.exists(), err
            if code == 0:
                for file in sorted(into.rglob('*'), reverse=True):
                    file.rmdir() if file.is_dir() else file.unlink()
                into.rmdir()
            return 'refused' if code else 'read'
        assert self.rows() == self.expected
        code, _, err = leaderboard(
            self.runs, '--format', 'json', '--published', 'none'
        )
        assert code == 3, err
        return 'named' if 'unusable' in err else 'read'


def fuzz(rounds: int, seed: int) -> Counter[str]:
    """Do many rounds.

    Returns:
        Counter: Kind of file and what came of it, to how often.
    """
    with tempfile.TemporaryDirectory() as top, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        fuzzer = Fuzzer(Path(top), seed)
        return Counter(fuzzer.round() for _ in range(rounds))


def main() -> None:
    """Print a table of what was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=300)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    for kind, count in sorted(fuzz(args.rounds, args.seed).items()):
        print(f'{count:6} {kind}')


if __name__ == '__main__':
    main()
