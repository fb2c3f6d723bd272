"""The embedded COCO set, annotated as LVIS is: uneven and incomplete."""

import json
from collections import Counter
from pathlib import Path

from ssl_bench.data.mini.names import CLASSES

#: Each class is annotated in this share of the images of the one before.
TAIL = 0.625


def write_lvis(coco: Path, home: Path) -> None:
    """Write lvis_v1_train.json and lvis_v1_val.json.

    In training the classes fall from frequent to rare, as annotations are
    left out; of classes left out an image says nothing, which is what the
    federated loss is for. The test set is whole, but for crowds.

    Args:
        coco (Path): The embedded COCO set.
        home (Path): Folder to make.
    """
    home.mkdir(parents=True, exist_ok=True)
    train = _read(coco, 'train')
    images: dict[int, set] = {label: set() for label in range(len(CLASSES))}
    for entry in train['annotations']:
        images[entry['label']].add(entry['image_id'])
    kept = {
        label: set(sorted(found)[: max(1, round(len(found) * TAIL**label))])
        for label, found in images.items()
    }
    train['annotations'] = [
        entry
        for entry in train['annotations']
        if entry['image_id'] in kept[entry['label']]
    ]
    counts = [len(kept[label]) for label in range(len(CLASSES))]
    for split, content in (('train', train), ('val', _read(coco, 'val'))):
        _write(home / f'lvis_v1_{split}.json', content, counts)


def _read(coco: Path, split: str) -> dict:
    """A split, each annotation with its label and without crowds."""
    content = json.loads(
        (coco / f'annotations/instances_{split}2017.json').read_text()
    )
    labels = {
        row['id']: CLASSES.index(row['name']) for row in content['categories']
    }
    for entry in content['annotations']:
        entry['label'] = labels[entry['category_id']]
    found: dict[int, set] = {row['id']: set() for row in content['images']}
    crowds: dict[int, set] = {row['id']: set() for row in content['images']}
    for entry in content['annotations']:
        where = crowds if entry['iscrowd'] else found
        where[entry['image_id']].add(entry['label'])
    for row in content['images']:
        absent = (
            set(range(len(CLASSES))) - found[row['id']] - crowds[row['id']]
        )
        row.update(
            coco_url='http://images.cocodataset.org/'
            f'{split}2017/{row.pop("file_name")}',
            neg_category_ids=[label + 1 for label in sorted(absent)],
            not_exhaustive_category_ids=[
                label + 1 for label in sorted(crowds[row['id']])
            ],
        )
    content['annotations'] = [
        entry for entry in content['annotations'] if not entry.pop('iscrowd')
    ]
    return content


def _write(path: Path, content: dict, counts: list[int]) -> None:
    """LVIS's form: categories count from 1 and say how frequent they are."""
    boxes = Counter(entry['label'] for entry in content['annotations'])
    content['categories'] = [
        dict(
            id=label + 1,
            name=name,
            image_count=counts[label],
            instance_count=boxes[label],
            # Gupta et al., CVPR 2019: up to 10, up to 100 images
            frequency='r'
            if counts[label] <= 10
            else 'c'
            if counts[label] <= 100
            else 'f',
        )
        for label, name in enumerate(CLASSES)
    ]
    for entry in content['annotations']:
        entry['category_id'] = entry.pop('label') + 1
    path.write_text(json.dumps(content, separators=(',', ':')))
