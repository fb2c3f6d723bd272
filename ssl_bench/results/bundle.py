"""Records in one zip file, for exchange; every part is checked on reading."""

import hashlib
import json
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from ssl_bench.errors import UserError
from ssl_bench.files import atomic_path, write_text
from ssl_bench.results.corrections import (
    check_entries,
    corrections_file,
    write_corrections,
)
from ssl_bench.results.reading import open_file, parse_json
from ssl_bench.results.record import (
    FILE_NAME,
    MAX_BYTES,
    PathLike,
    Problem,
    Record,
    Stored,
    digest,
)
from ssl_bench.results.store import parse, scan

MANIFEST = 'manifest.json'
FORMAT = 'ssl_bench result bundle'
SCHEMA = 1
MAX_RECORDS = 100_000
MAX_TOTAL = 512 << 20  # bytes after unpacking
MAX_MANIFEST = 64 << 20
NAME = re.compile(r'records/[0-9a-f]{64}\.json')
PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
EPOCH = (1980, 1, 1, 0, 0, 0)  # one date: the same records, the same bytes


def _text(record: Record) -> bytes:
    return (
        json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + '\n'
    ).encode()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    archive.writestr(info, data, zipfile.ZIP_DEFLATED, 6)


def export_bundle(
    dirs: Iterable[PathLike], path: PathLike
) -> tuple[int, list[Problem]]:
    """Write the records under ``dirs`` into one zip file.

    No weights, logs or pictures; a record is stored under the SHA-256 of
    its bytes, so equal records are stored once.

    Returns:
        tuple: Number of records, and what could not be read.

    Raises:
        UserError: No usable record, or ``path`` cannot be written.
    """
    stored, problems = scan(dirs)
    if not stored:
        raise UserError('nothing to export: ' + '; '.join(map(str, problems)))
    files: dict[str, tuple[bytes, Stored]] = {}
    for item in stored:
        data = _text(item.original)
        sha = hashlib.sha256(data).hexdigest()
        if sha in files and len(files[sha][1].corrections) > len(
            item.corrections
        ):
            continue  # a copy from before it was corrected
        files[sha] = (data, item)
    manifest = dict(
        format=FORMAT,
        schema=SCHEMA,
        records=[
            dict(
                name=f'records/{sha}.json',
                sha256=sha,
                bytes=len(data),
                run_id=item.record['run_id'],
                **(
                    {'corrections': found}
                    if (found := item.corrections)
                    else {}
                ),
            )
            for sha, (data, item) in sorted(files.items())
        ],
    )
    with atomic_path(path) as part, zipfile.ZipFile(part, 'w') as archive:
        _add(archive, MANIFEST, _text(manifest))
        for sha, (data, _) in sorted(files.items()):
            _add(archive, f'records/{sha}.json', data)
    return len(files), problems


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse names, kinds and sizes that do not belong in a bundle."""
    names = [member.filename for member in members]
    if MANIFEST not in names:
        raise UserError(f'{path}: no {MANIFEST}, so it is not a result bundle')
    if len(set(names)) < len(names):
        raise UserError(f'{path}: it contains a file twice')
    if len(names) > MAX_RECORDS + 1:
        raise UserError(
            f'{path}: {len(names)} files; at most {MAX_RECORDS} '
            'records are read'
        )
    if sum(member.file_size for member in members) > MAX_TOTAL:
        raise UserError(f'{path}: unpacks to more than {MAX_TOTAL} bytes')
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        limit = MAX_MANIFEST if member.filename == MANIFEST else MAX_BYTES
        if member.filename != MANIFEST and not NAME.fullmatch(member.filename):
            raise UserError(
                f'{path}: {member.filename[:100]!r} does not '
                'belong in a result bundle'
            )
        if kind not in (0, stat.S_IFREG) or member.flag_bits & 1:
            raise UserError(
                f'{path}: {member.filename} is a link or '
                'encrypted, not a plain file'
            )
        if member.compress_type not in PACKED:
            raise UserError(
                f'{path}: {member.filename} is compressed with another '
                'method than deflate'
            )
        if member.file_size > limit:
            raise UserError(
                f'{path}: {member.filename} has '
                f'{member.file_size} bytes; limit {limit}'
            )


def _read(path: Path, archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    """A member's bytes, no more than its header says."""
    with archive.open(name) as file:
        data = file.read(size + 1)
    if len(data) != size:
        raise UserError(f'{path}: {name} is not as long as stated')
    return data


def _manifest(path: Path, data: bytes) -> dict[str, dict[str, Any]]:
    """Entries by file name.

    Raises:
        UserError: Not the manifest of a bundle this version reads.
    """
    try:
        manifest = parse_json(data)
    except UserError as error:
        raise UserError(f'{path}: {MANIFEST} is damaged ({error})') from error
    try:
        if (manifest['format'], manifest['schema']) != (FORMAT, SCHEMA):
            raise UserError(
                f'{path}: format {manifest["format"]!r}, schema '
                f'{manifest["schema"]!r}; this version reads {FORMAT!r}, '
                f'schema {SCHEMA}'
            )
        return {entry['name']: dict(entry) for entry in manifest['records']}
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f'{path}: {MANIFEST} is damaged ({error!r})'
        ) from error


def read_bundle(path: PathLike) -> list[tuple[Record, list[dict[str, Any]]]]:
    """Every record of a bundle with its corrections, or none.

    Raises:
        UserError: Not a bundle, damaged, tampered with, too large, or with
            content that does not belong there; says which file of it.
    """
    path = Path(path)
    try:
        with _opened(path) as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(path, members)
            sizes = {m.filename: m.file_size for m in members}
            entries = _manifest(
                path, _read(path, archive, MANIFEST, sizes.pop(MANIFEST))
            )
            if entries.keys() != sizes.keys():
                odd = sorted(entries.keys() ^ sizes.keys())[0]
                raise UserError(
                    f'{path}: {odd} is in the archive or in the manifest only'
                )
            return [
                _checked(
                    path,
                    name,
                    entries[name],
                    _read(path, archive, name, sizes[name]),
                )
                for name in sorted(sizes)
            ]
    except (
        OSError,
        EOFError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as error:
        raise UserError(
            f'{path}: not a readable zip file ({error})'
        ) from error
    except (zlib.error, struct.error) as error:
        raise UserError(f'{path}: damaged ({error})') from error


def _opened(path: Path) -> BinaryIO:
    try:
        return open_file(path)
    except UserError as error:
        raise UserError(f'{path}: {error}') from error


def _checked(
    path: Path, name: str, entry: dict[str, Any], data: bytes
) -> tuple[Record, list[dict[str, Any]]]:
    sha = hashlib.sha256(data).hexdigest()
    if not sha == entry.get('sha256') == name[len('records/') : -5]:
        raise UserError(f'{path}: {name} was changed: its SHA-256 is {sha}')
    try:
        record = parse(data)
    except UserError as error:
        raise UserError(f'{path}: {name}: {error}') from error
    if entry.get('run_id') != record['run_id']:
        raise UserError(
            f'{path}: {name} is run {record["run_id"]}, the '
            f'manifest says {entry.get("run_id")!r}'
        )
    try:
        entries = check_entries(
            record, digest(record), entry.get('corrections', [])
        )
    except ValueError as error:
        raise UserError(
            f'{path}: {name}: unusable correction: {error}'
        ) from error
    return record, entries


def _add_corrections(
    there: Stored, record: Record, entries: list[dict[str, Any]]
) -> list[Problem]:
    """Give a record that is there the corrections of a bundle.

    Those that go on from what is there are added.

    Returns:
        list[Problem]: One, if the two are different; those there stay.
    """
    own = there.corrections
    if entries == own[: len(entries)]:
        return []
    damaged = not own and corrections_file(there.path).exists()
    if damaged or own != entries[: len(own)]:
        return [
            Problem(
                'conflict',
                f'run {record["run_id"]} has other corrections than in the '
                'bundle; those that were there stay',
                (str(corrections_file(there.path)),),
            )
        ]
    write_corrections(there.path, record, entries)
    return []


def import_bundle(
    path: PathLike, into: PathLike
) -> tuple[int, int, list[Problem]]:
    """Merge a bundle into a folder of records.

    The whole bundle is checked before anything is written. A record that
    ``into`` already has is skipped; one whose run id is there with another
    content is written next to it, and the leaderboard then shows the
    conflict.

    Args:
        path (str | Path): The bundle.
        into (str | Path): Folder; each record goes to
            ``RUN_ID/result.json`` in it.

    Returns:
        tuple: Records written, records skipped, and the conflicts.

    Raises:
        UserError: From ``read_bundle``, or ``into`` cannot be written.
    """
    records, into = read_bundle(path), Path(into)
    present: dict[str, list[Stored]] = {}
    if into.is_dir():
        for item in scan([into])[0]:
            present.setdefault(item.record['run_id'], []).append(item)
    written = skipped = 0
    problems = []
    for record, entries in records:
        there = present.get(record['run_id'], [])
        same = [s for s in there if digest(s.original) == digest(record)]
        if same:
            skipped += 1
            problems += _add_corrections(same[0], record, entries)
            continue
        target = into / record['run_id'] / FILE_NAME
        if there or target.exists():
            target = (
                into
                / (f'{record["run_id"]}.{digest(record)[:12]}')
                / FILE_NAME
            )
            problems.append(
                Problem(
                    'conflict',
                    f'run {record["run_id"]} was there with other '
                    'content; the imported record is next to it',
                    tuple(item.path for item in there) + (str(target),),
                )
            )
        if entries:  # first: a record is never there without them
            write_corrections(target, record, entries)
        write_text(target, _text(record).decode())
        present.setdefault(record['run_id'], []).append(
            Stored(record, str(target))
        )
        written += 1
    return written, skipped, problems
