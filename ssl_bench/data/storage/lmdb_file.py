"""Images in an LMDB database, by their names."""

import os
from collections.abc import Iterator, Sequence
from typing import Any
from weakref import WeakValueDictionary

from ssl_bench.data.storage.base import Container, Entry
from ssl_bench.errors import UserError

# open ones, by process and path
_databases: WeakValueDictionary[tuple[int, str], Any] = WeakValueDictionary()


class Lmdb(Container):
    """A database whose keys are names and whose values are image files.

    Raises:
        UserError: The package is missing.
    """

    kind = 'LMDB'
    suffixes = ('.lmdb', '.mdb')
    placed = False

    def __init__(self, *args, **kwargs) -> None:
        try:
            import lmdb
        except ImportError as error:
            raise UserError(
                f'{args[0]} is read by lmdb: pip install "ssl-bench[lmdb]"'
            ) from error
        self.errors = (lmdb.Error,)
        super().__init__(*args, **kwargs)

    def data_of(self, file: str) -> str:
        """A database can be a folder."""
        return os.path.join(file, 'data.mdb') if os.path.isdir(file) else file

    def entries(self, file: str) -> Iterator[Entry]:
        """The keys; values are not read."""
        opened = self.open(file)
        with opened.begin() as step, step.cursor() as cursor:
            for key in cursor.iternext(keys=True, values=False):
                yield key.decode('utf-8', 'surrogateescape'), 0, 0

    def open(self, file: str) -> Any:
        """The database, which nothing may write to meanwhile.

        A process may open it only once; it is closed with its last user. One
        that was open when this process was forked counts, and cannot be used
        here.

        Raises:
            OSError: A part of the file is missing; to read there would end
                the process.
        """
        import lmdb

        for (process, _), inherited in [*_databases.items()]:
            if process != os.getpid():
                inherited.close()
        key = os.getpid(), os.path.realpath(file)
        opened = _databases.get(key)
        if opened is None:
            opened = lmdb.open(
                file,
                subdir=os.path.isdir(file),
                readonly=True,
                create=False,
                lock=False,
                readahead=False,
            )
            pages = opened.info()['last_pgno'] + 1
            size = os.path.getsize(self.data_of(file))
            if size < pages * opened.stat()['psize']:
                raise OSError('the file ends before its last page')
            _databases[key] = opened
        return opened

    def read(self, opened: Any, name: str, place: Sequence[int]) -> bytes:
        """The value of a key."""
        with opened.begin() as step:
            content = step.get(name.encode('utf-8', 'surrogateescape'))
        if content is None:
            raise OSError('the database has it no longer')
        return content
