"""Columns of annotation files are what Python's json reads."""

import json

import numpy as np
import pytest
from pycocotools import mask as coding

from ssl_bench.tasks.layouts import annotations
from ssl_bench.tasks.layouts.json_rows import Runs


def write(path, masks):
    path.write_text(
        json.dumps(
            dict(
                images=[
                    dict(id=index, width=9, height=9, file_name=f'{index}.jpg')
                    for index in (7, 3)
                ],
                categories=[dict(id=4, name='a')],
                annotations=[
                    dict(
                        id=index,
                        image_id=3 if index % 3 else 7,
                        category_id=4,
                        bbox=[index / 3, 1, 2, 3],
                        area=0.1,
                        segmentation=mask,
                    )
                    for index, mask in enumerate(masks)
                ],
            )
        )
    )


@pytest.mark.parametrize('at_once', [3, 1000])
@pytest.mark.parametrize('digits', [0, 2, 17])
def test_numbers_are_kept(tmp_path, monkeypatch, digits, at_once):
    """Bit for bit, whether they are whole hundredths or not."""
    monkeypatch.setattr(annotations, 'AT_ONCE', at_once)
    rng = np.random.default_rng(digits)
    masks = [
        [
            (rng.random(6 + 2 * part) * 10**5 - 5 * 10**4)
            .round(2 if index < 10 else digits)
            .tolist()
            for part in range(index % 4)
        ]
        for index in range(40)
    ]
    write(tmp_path / 'a.json', masks)
    found = annotations.read_annotations(
        str(tmp_path / 'a.json'), lambda row: row.file_name
    )
    objects = found.objects
    assert [objects.mask(row) for row in range(40)] == masks
    packed = objects.points.values.dtype == np.int32
    assert packed == (digits < 17)
    assert objects.boxes[:, 0].tolist() == [row / 3 for row in range(40)]
    assert [found.images.name(row) for row in (0, 1)] == ['7.jpg', '3.jpg']
    for image, rest in ((0, (0,)), (1, (1, 2))):  # the order of the file
        assert objects.of(image).tolist() == [
            row for row in range(40) if row % 3 in rest
        ]
    assert annotations.count_images(str(tmp_path / 'a.json')) == 2


def test_run_lengths_are_pycocotools():
    rng = np.random.default_rng(0)
    for index in range(60):
        mask = rng.random(rng.integers(1, 40, 2)) > rng.random()
        if index % 2:
            mask = np.kron(mask, np.ones((23, 31)))
        coded = coding.encode(np.asfortranarray(mask, dtype=np.uint8))
        text = coded['counts'].decode()
        counts = annotations.decompressed(text)
        assert sum(counts) == mask.size
        assert sum(counts[1::2]) == mask.sum()
        for form in (counts, text):
            runs = Runs(form, tuple(coded['size']))
            assert annotations.compressed(runs) == coded['counts']
        for bad in (text[:-1], text + '1', text + 'o', 'é', ''):
            assert annotations.compressed(Runs(bad, runs.size)) is None


def test_ids_and_their_places():
    known = np.array([5, -3, 2**60])
    wanted = np.array([2**60, 4, 5, -3, 6, -(2**62)])
    found = annotations.places(known, wanted)
    assert found.tolist() == [2, -1, 0, 1, -1, -1]
    assert annotations.places(known[:0], wanted).tolist() == [-1] * 6
