"""A file in COCO's form that has some of the images of another one."""

from collections.abc import Collection

import msgspec

from ssl_bench.tasks.layouts.base import no_garbage_collection
from ssl_bench.tasks.layouts.json_rows import Content, decoded, mapped


class _Image(msgspec.Struct):
    """What is read of one of ``images``."""

    id: int | float
    file_name: str


class _OfImage(msgspec.Struct):
    """What is read of one of ``annotations``."""

    image_id: int | float


@no_garbage_collection()
def part_of_file(path: str, names: Collection[str]) -> str:
    """Some images of a file with their objects, and all categories.

    Args:
        path (str): Annotation file, which was read before without a fault.
        names (Collection[str]): File names of the images.

    Returns:
        str: What a file of the part holds; its rows are as in the whole one.
    """
    whole, wanted = decoded(mapped(path), Content), set(names)
    image = msgspec.json.Decoder(_Image).decode
    owner = msgspec.json.Decoder(_OfImage).decode
    kept, images = set(), []
    for raw in whole.images:
        row = image(raw)
        if row.file_name in wanted:
            kept.add(row.id)
            images.append(raw)
    objects = [raw for raw in whole.annotations if owner(raw).image_id in kept]
    part = Content(images, objects, whole.categories)
    return msgspec.json.encode(part).decode()
