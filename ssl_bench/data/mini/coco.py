"""The COCO set: images and instances_<split>.json."""

import json
from pathlib import Path

import numpy as np

from ssl_bench.data.mini.folder import save_jpeg
from ssl_bench.data.mini.masks import extent, polygons, run_lengths
from ssl_bench.data.mini.names import CATEGORY_IDS, CLASSES
from ssl_bench.data.mini.scene import Scene, objects_scene

#: Share of the images that hold a crowd.
CROWDS = 0.1


def write_image(
    rng: np.random.Generator, folder: Path, image_id: int, size: int
) -> tuple[dict, list[dict]]:
    """Write one image.

    Args:
        rng (np.random.Generator): Decides the scene.
        folder (Path): train2017 or val2017; exists.
        image_id (int): COCO's id, also the file's name.
        size (int): Longer side in pixels.

    Returns:
        tuple[dict, list[dict]]: Its record and its annotations, which still
        lack their own ids.
    """
    scene = objects_scene(rng, size, crowd=CROWDS)
    name = f'{image_id:012d}.jpg'
    save_jpeg(rng, scene.image, folder / name)
    width, height = scene.image.size
    record = dict(
        license=1, file_name=name, height=height, width=width, id=image_id
    )
    return record, [
        annotation(scene, index, image_id) for index in range(len(scene.items))
    ]


def annotation(scene: Scene, index: int, image_id: int) -> dict:
    """COCO's annotation of ``items[index]``: polygons, or runs of a crowd."""
    item, mask = scene.items[index], scene.mask(index)
    x1, y1, x2, y2 = extent(mask)
    shape = run_lengths(mask) if item.crowd else polygons(mask)
    return dict(
        segmentation=shape,
        area=int(mask.sum()),
        iscrowd=int(item.crowd),
        image_id=image_id,
        bbox=[x1, y1, x2 - x1, y2 - y1],
        category_id=CATEGORY_IDS[item.label],
    )


def write_instances(path: Path, images: list[tuple[dict, list[dict]]]) -> None:
    """Write the annotation file of a split."""
    annotations: list[dict] = []
    for _, group in images:
        for entry in group:
            annotations.append(dict(entry, id=len(annotations) + 1))
    content = dict(
        info=dict(description='ssl_bench mini', version='1.0', year=2017),
        licenses=[dict(id=1, name='composed', url='')],
        images=[record for record, _ in images],
        annotations=annotations,
        categories=[
            dict(supercategory='shape', id=number, name=name)
            for number, name in zip(CATEGORY_IDS, CLASSES)
        ],
    )
    path.write_text(json.dumps(content, separators=(',', ':')))
