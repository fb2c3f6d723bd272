"""Rooms: every pixel's depth is that of what was painted there."""

import numpy as np
import pytest
from PIL import Image

from ssl_bench.data.mini import nyu, rooms
from ssl_bench.data.mini.paint import Item, Scene
from ssl_bench.tasks.datasets import DATASETS

from .conftest import SMALL

pytestmark = pytest.mark.slow

SIZE = 160


def rng(*seed):
    return np.random.default_rng(seed)


def scenes(count):
    """Scenes with the room that each was painted in."""
    for seed in range(count):
        room = rooms.draw_room(rng(seed), SIZE)
        yield room, *rooms.room_scene(rng(seed), SIZE)


def test_what_is_no_object_lies_on_a_wall_of_the_room():
    for room, scene, depth, _ in scenes(12):
        right, down, ahead = room.points(depth)
        gaps = np.stack(
            [
                room.back - ahead,
                room.floor - down,
                down + room.ceiling,
                right + room.left,
                room.right - right,
            ]
        )
        seen = depth > 0
        assert gaps[:, seen].min() > -1e-9
        wall = seen & (scene.owner == 0)
        assert wall.sum() > 1000
        np.testing.assert_allclose(gaps[:, wall].min(0), 0, atol=1e-9)
        # objects are inside the room, not on or behind its walls
        assert gaps[:, seen & (scene.owner > 0)].min() > 0


def test_objects_have_one_depth_and_hide_what_is_behind_them():
    shares, stand = [], 0
    for room, scene, depth, distances in scenes(30):
        assert distances == sorted(distances, reverse=True)
        assert len(distances) == len(scene.items)
        for index, distance in enumerate(distances):
            seen = scene.mask(index) & (depth > 0)
            assert set(depth[seen]) <= {distance}
            metres = np.sqrt(scene.items[index].area) * distance / room.focal
            shares.append(metres)
            rows = np.flatnonzero(scene.mask(index).any(1))
            ground = room.centre[1] + room.floor * room.focal / distance
            assert rows[-1] + 0.5 < ground  # nobody sinks into the floor
            stand += rows[-1] + 3 > ground
        for near in range(1, len(distances)):
            hidden = scene.owner == near + 1
            assert distances[near] <= distances[near - 1]
            assert depth[hidden].max() <= distances[near]
    # the size of an object tells its distance
    low, high = rooms.SIDE
    assert 0.9 * low < min(shares) and max(shares) < 1.1 * high
    assert stand > 20


def test_light_of_the_projector_is_missing_left_of_an_object():
    owner = np.zeros((6, 40), np.int32)
    owner[2:4, 20:30] = 1
    scene = Scene(Image.new('RGB', (40, 6)), owner, [Item(0, 20, 20, 20, 0)])
    depth = np.where(owner == 1, 1.0, 4.0)
    # 0.075 m * 100 px * (1 - 1/4) = 5.6 pixels of disparity
    hidden = np.zeros((6, 40), bool)
    hidden[2:4, 15:20] = True
    np.testing.assert_array_equal(rooms.shadows(scene, depth, 100.0), hidden)
    far = np.where(owner == 1, 3.9, 4.0)
    assert not rooms.shadows(scene, far, 100.0).any()


def test_files_hold_the_scene(mini):
    layout = DATASETS['mini_depth'].train[0]
    lines = (mini.root / layout.list_file).read_text().splitlines()
    assert len(lines) == SMALL.nyu_train
    for index, line in enumerate(lines):
        picture, chart, focal = line.split()
        assert float(focal) == pytest.approx(rooms.FOCAL * SIZE, abs=1e-4)
        scene, depth, _ = rooms.room_scene(rng(3, 6, index), SIZE)
        with Image.open(mini.root / 'nyu' / picture) as image:
            assert image.size == (SIZE, 3 * SIZE // 4)
            painted = np.asarray(scene.image).astype(float)
            assert abs(np.asarray(image) - painted).mean() < 8  # of 255
        stored = np.asarray(Image.open(mini.root / 'nyu' / chart))
        assert stored.shape == depth.shape
        assert abs(stored / 1000 - depth).max() <= 0.0005 + 1e-9
        seen = stored[stored > 0] / 1000
        assert seen.min() > 0.001 and seen.max() < 10  # NYUv2's limits
        assert 0.8 < len(seen) / stored.size < 1


def test_depth_differs_between_images_at_the_same_place(tmp_path):
    (tmp_path / 'train').mkdir()
    maps = []
    for index in range(12):
        line = nyu.write_image(rng(0, 6, index), tmp_path, 'train', index, 160)
        maps.append(np.asarray(Image.open(tmp_path / line.split()[1])))
    stacked = np.stack(maps).astype(float) / 1000
    stacked[stacked == 0] = np.nan
    # metres; who only knows the place is wrong by this
    assert np.nanmean(np.nanstd(stacked, axis=0)) > 0.8
