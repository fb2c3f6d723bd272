"""Images as files below a folder."""

import os
from collections.abc import Iterable, Iterator, Sequence

from ssl_bench.data.storage.base import Listed, Stamp, Storage, stamp
from ssl_bench.data.storage.names import ImageList, Names
from ssl_bench.errors import UserError
from ssl_bench.files import count_endings, walk


class Folder(Storage):
    """A folder, with folders below it. What is hidden is left out."""

    kind = 'folder'

    def list(self) -> Listed:
        """Walk through the folders.

        The names of one folder at a time are Python strings, so that a
        million of them need little memory.
        """
        listed = Listed(ImageList(Names.of(())), {})
        inside: dict[str, tuple[str, list[str]]] = {}  # images, folders
        try:
            for place in walk(self.root):
                images = []
                for entry in place.files:
                    if entry.name.lower().endswith(self.endings):
                        images.append(entry.name)
                    else:
                        listed.others.append(place.prefix + entry.name)
                listed.hidden += [
                    place.prefix + name for name in place.left_out
                ]
                path = os.path.join(os.path.abspath(self.root), place.prefix)
                listed.stamps[path] = stamp(place.stat)
                inside[place.prefix] = '/'.join(images), []
        except OSError as error:
            raise UserError(
                f'{self.root} cannot be listed: {error}'
            ) from error
        for prefix in filter(None, inside):
            above, slash, name = prefix[:-1].rpartition('/')
            inside[above + slash][1].append(f'{name}/')
        names = Names.of(_in_order(inside, ''))
        listed.others.sort()
        listed.hidden.sort()
        listed.images = ImageList(
            names,
            kinds=count_endings(names),
            others=count_endings(listed.others),
        )
        return listed

    def stamps(self, known: Iterable[str]) -> dict[str, Stamp]:
        """Of the known folders; a new one changes the one above it."""
        return {path: stamp(path) for path in known}

    def source(self, images: ImageList, index: int) -> str:
        """The path of an image."""
        return os.path.join(self.root, images.names[index])

    def select(self, images: ImageList, names: Sequence[str]) -> ImageList:
        """The names themselves: their files are not looked for."""
        return ImageList(Names.of(names), kinds=count_endings(names))


def _in_order(
    inside: dict[str, tuple[str, list[str]]], prefix: str
) -> Iterator[str]:
    """Paths below a folder as sorted strings."""
    images, folders = inside[prefix]
    files = images.split('/') if images else []
    for name in sorted([*files, *folders]):
        if name.endswith('/'):
            yield from _in_order(inside, prefix + name)
        else:
            yield prefix + name
