"""A few pairs in SPair-71k's own files."""

import json
from itertools import permutations
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = ((40, 30), (32, 48), (36, 36))  # width and height of three images


def write_spair(folder, categories=('cat', 'dog'), sizes=SIZES):
    """All pairs of a few images of noise of each category.

    Returns:
        list[Path]: The pairs' files, in the order of the list.
    """
    folder, rng = Path(folder), np.random.default_rng(0)
    for name in ('JPEGImages', 'PairAnnotation/test', 'Layout/large'):
        (folder / name).mkdir(parents=True)
    lines = []
    for category in categories:
        home = folder / 'JPEGImages' / category
        home.mkdir()
        for i, (width, height) in enumerate(sizes):
            pixels = rng.integers(0, 255, (height, width, 3), np.uint8)
            Image.fromarray(pixels).save(home / f'im_{i}.jpg')
        for i, j in permutations(range(len(sizes)), 2):
            line = f'{len(lines) + 1:06d}-im_{i}-im_{j}:{category}'
            content = dict(
                category=category,
                src_imname=f'im_{i}.jpg',
                trg_imname=f'im_{j}.jpg',
                src_imsize=[*sizes[i], 3],
                trg_imsize=[*sizes[j], 3],
                src_bndbox=[2, 2, 28, 26],
                trg_bndbox=[2, 2, 30, 24],
                src_kps=[[4, 5], [20, 20], [sizes[i][0] - 1, 9]],
                trg_kps=[[6, 5], [0, 12], [20, sizes[j][1] - 1]],
                kps_ids=['0', '1', '2'],
            )
            path = folder / 'PairAnnotation/test' / f'{line}.json'
            path.write_text(json.dumps(content))
            lines.append(line)
    (folder / 'Layout/large/test.txt').write_text('\n'.join(lines) + '\n')
    return [folder / f'PairAnnotation/test/{line}.json' for line in lines]


def change(path, **fields):
    """Replace fields of a pair's file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
