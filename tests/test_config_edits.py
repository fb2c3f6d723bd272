"""Dotted keys that name entries of lists by their type."""

import ast
import re

import pytest
from mmengine.config import Config

from ssl_bench.config import config_dir, load_config
from ssl_bench.config_edits import edit
from ssl_bench.errors import UserError


@pytest.fixture
def config():
    """A loader with two views of equal steps, and two lists."""
    steps = [dict(type='Flip', p=0.5), dict(type='Blur', sigma=(0.1, 2.0))]
    return Config(
        dict(
            pipeline=[
                dict(type='Load'),
                dict(type='mmdet.Resize', scale=(8, 8), keep=True),
                dict(type='MultiView', transforms=[steps, steps]),
                dict(type='Pack'),
            ],
            views=[dict(size=8), dict(size=8, scale=(0.2, 1.0))],
            model=dict(neck=None, depth=50),
            steps=steps,
        )
    )


def blurs(config):
    return [steps[1]['sigma'] for steps in config.pipeline[2].transforms]


def test_an_entry_is_found_by_its_type(config):
    edit(config, {'pipeline.Resize.scale': (4, 4), 'pipeline.Load.to': 'rgb'})
    assert config.pipeline[0] == dict(type='Load', to='rgb')
    assert config.pipeline[1].to_dict() == dict(
        type='mmdet.Resize', scale=(4, 4), keep=True
    )


def test_a_dict_is_merged_or_replaces(config):
    edit(config, {'pipeline.Resize': dict(keep=False)})
    assert config.pipeline[1].scale == (8, 8) and not config.pipeline[1].keep
    edit(config, {'pipeline.Resize': dict(_delete_=True, type='Crop', size=4)})
    assert config.pipeline[1].to_dict() == dict(type='Crop', size=4)
    edit(config, {'pipeline': dict(Crop=dict(size=5), Load=dict(to='rgb'))})
    assert (config.pipeline[1].size, config.pipeline[0].to) == (5, 'rgb')
    edit(config, {'model': dict(_keep_=['depth'], type='ViT')})
    assert config.model.to_dict() == dict(type='ViT', depth=50)


def test_what_is_put_in_is_a_config_and_not_shared(config):
    value = dict(type='Head', parts=[dict(type='Part')])
    edit(config, {'model.head': value, 'views.*.head': value})
    config.views[0].head.parts[0].size = 3  # attributes, as of any config
    assert 'size' not in config.views[1].head.parts[0]
    assert value['parts'] == [dict(type='Part')]
    assert config.model.head.parts[0].type == 'Part'


def test_entries_and_keys_are_removed(config):
    edit(
        config,
        {
            'pipeline.Load': dict(_delete_=True),
            'pipeline.MultiView.transforms.*.Flip': dict(_delete_=True),
            'model.depth': dict(_delete_=True),
            'steps': dict(_delete_=True),
        },
    )
    assert [step.type for step in config.pipeline] == [
        'mmdet.Resize',
        'MultiView',
        'Pack',
    ]
    assert [
        [step.type for step in steps]
        for steps in config.pipeline[1].transforms
    ] == [['Blur'], ['Blur']]
    assert config.model.to_dict() == dict(neck=None) and 'steps' not in config


def test_all_entries_of_a_list_are_removed_from_the_end(config):
    edit(config, {'views.*': dict(_delete_=True)})
    assert config.views == []


def test_one_of_several_in_lists_within_the_list(config):
    edit(config, {'pipeline.MultiView.transforms.Blur#2.sigma': 3})
    assert blurs(config) == [(0.1, 2.0), 3]
    edit(config, {'pipeline.MultiView.transforms.*.Blur.sigma': 4})
    assert blurs(config) == [4, 4]
    assert config.steps[1].sigma == (0.1, 2.0)  # the same list elsewhere
    edit(config, {'pipeline.MultiView.transforms.Blur#1': dict(sigma=5)})
    assert blurs(config) == [5, 4]


def test_every_entry_with_or_without_a_type(config):
    edit(config, {'views.*': dict(size=4), 'views.*.flip': 0.5})
    assert [view.to_dict() for view in config.views] == [
        dict(size=4, flip=0.5),
        dict(size=4, scale=(0.2, 1.0), flip=0.5),
    ]


def test_positions_are_mmengines(config):
    edit(config, {'pipeline.2.transforms.0.1.sigma': 3, 'views.1.size': 4})
    assert blurs(config) == [3, (0.1, 2.0)] and config.views[1].size == 4
    edit(config, {'views.0': 7, 'pipeline': {1: dict(keep=False)}})
    assert config.views[0] == 7 and config.pipeline[1].keep is False


def test_keys_of_dicts_are_made_and_later_ones_win(config):
    edit(config, {'a.b.c': 1, 'model.depth': 18, 'model': dict(depth=34)})
    assert config.a.b.c == 1 and config.model.depth == 34


def test_tuples_stay_tuples():
    config = dict(hooks=(dict(type='A', n=1), dict(type='B', n=1)))
    edit(config, {'hooks.B.n': 2, 'hooks.A': dict(_delete_=True)})
    assert config == dict(hooks=(dict(type='B', n=2),))


@pytest.mark.parametrize(
    'key, value, message',
    [
        (
            'pipeline.Resise.scale',
            1,
            r"unknown entry of pipeline 'Resise'\. Did you mean Resize\? "
            r'Known: Load, MultiView, Pack, Resize\.',
        ),
        ('pipeline.Rotate', dict(_delete_=True), "pipeline 'Rotate'"),
        (
            'pipeline.MultiView.transforms.Blur.sigma',
            1,
            'has 2 entries Blur, not one Blur: write Blur#1 or Blur#2, or ',
        ),
        ('pipeline.MultiView.transforms.Blur#3', 1, 'not one Blur#3: write'),
        ('pipeline.MultiView.transforms.Blur#x', 1, 'not one Blur#x: write'),
        ('views.Crop.size', 1, 'Known: no entry with a type'),
        ('views.2.size', 1, r'has 2 entries, .* there is no views\.2\.'),
        ('views.0.size.x', 1, r'views\.0\.size is 8: there is no x in it'),
        ('model.*.x', 1, r'model is not a list: \* has no meaning there'),
        ('model.neck', dict(type='FPN'), r'neck is None: write dict\(_delete'),
        ('model', dict(_keep_=['dept'], depth=1), "model 'dept'.*mean depth"),
        ('model.dept', dict(_delete_=True), "model 'dept'.*mean depth"),
    ],
)
def test_what_is_not_there(config, key, value, message):
    with pytest.raises(UserError, match=message):
        edit(config, {key: value})


BASE = """
loader = dict(workers=8, pipeline=[
    dict(type='Load'), dict(type='Crop', size=224), dict(type='Flip')])
"""


@pytest.fixture
def write(tmp_path):
    """Write configs ``NAME=TEXT`` and load the last one."""

    def load(**texts):
        for name, text in texts.items():
            (tmp_path / f'{name}.py').write_text(text)
        return load_config(tmp_path / f'{name}.py')

    return load


def test_a_file_edits_what_it_inherits(write):
    config = write(
        base=BASE,
        child="_base_ = 'base.py'\n"
        "edit = {'loader.pipeline.Crop.size': 96,"
        " 'loader.pipeline.Load': dict(_delete_=True)}",
    )
    assert config.loader.pipeline == [
        dict(type='Crop', size=96),
        dict(type='Flip'),
    ]
    assert 'edit' not in config


def test_edits_of_a_base_come_before_the_files_own_settings(write):
    """And the file's edits come after both."""
    config = write(
        base=BASE,
        small="_base_ = 'base.py'\n"
        "edit = {'loader.workers': 1, 'loader.pipeline.Crop.size': 96}",
        smaller="_base_ = 'small.py'\n"
        'loader = dict(workers=0, pipeline=[dict(type="Crop", size=8)])',
        last="_base_ = 'smaller.py'\n"
        "edit = {'loader.pipeline.Crop': dict(_delete_=True, type='Pad')}",
    )
    assert config.loader.to_dict() == dict(
        workers=0, pipeline=[dict(type='Pad')]
    )


def test_bases_of_one_list_edit_under_names_of_their_own(write):
    """In the order of the list; a base can edit those before it."""
    config = write(
        base=BASE + "edit = {'loader.workers': 4}",
        size="edit_size = {'loader.pipeline.Crop.size': 96}",
        data="edit_data = {'loader.workers': 2, 'loader.root': 'mini'}",
        child="_base_ = ['base.py', 'size.py', 'data.py']\n"
        "loader = dict(root='mine')",
    )
    assert config.loader.workers == 2 and config.loader.root == 'mine'
    assert config.loader.pipeline[1].size == 96
    assert set(config) == {'loader'}


@pytest.mark.parametrize(
    'edits, message',
    [
        (
            "{'loader.pipelin.Crop.size': 1}",
            r"child\.py: unknown key of loader 'pipelin'\. Did you mean pip",
        ),
        ("{'laoder.workers': 1}", "unknown key of the config 'laoder'"),
        ("{'loader.pipeline.Crob.size': 1}", 'Did you mean Crop'),
        (
            "{'loader.pipeline.Crop.box.size': 1}",
            'key of loader.pipeline.Crop',
        ),
        ("{'loader.pipeline.Flip': dict(box=dict(size=1)), 'a.b': 1}", "'a'"),
        ("['loader']", 'edit must be a dict of dotted keys, not'),
    ],
)
def test_a_mistake_in_a_file_is_one_line(write, edits, message):
    with pytest.raises(UserError, match=message) as raised:
        write(base=BASE, child=f"_base_ = 'base.py'\nedit = {edits}")
    assert '\n' not in str(raised.value)


def test_mmengine_is_as_before_after_an_error(write):
    merge = Config.__dict__['_merge_a_into_b']
    with pytest.raises(UserError, match='does not load'):
        write(child="_base_ = 'nowhere.py'")
    assert Config.__dict__['_merge_a_into_b'] is merge


def test_options_are_edits_that_come_last():
    config = load_config(
        'mini/barlow_twins_r18',
        {
            'train_dataloader.dataset.pipeline.MakeViews.views.*.size': 32,
            'train_dataloader.dataset.pipeline.0.views.1.flip': 0.0,
        },
    )
    views = config.train_dataloader.dataset.pipeline[0].views
    assert [(view.size, view.flip) for view in views] == [(32, 0.5), (32, 0.0)]


def files():
    root = config_dir()
    return sorted(str(p.relative_to(root)) for p in root.rglob('*.py'))


NOT_COUNTED = re.compile(r'^downsample\.1$|@|TestTimeAug\.transforms\.0$')


@pytest.mark.parametrize('path', files())
def test_no_config_counts_positions(path):
    """Neither ``pipeline[2]`` nor ``'pipeline.2.scale'``."""
    tree = ast.parse((config_dir() / path).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript):
            assert isinstance(node.slice, ast.Constant), ast.unparse(node)
            assert isinstance(node.slice.value, str), ast.unparse(node)
        if isinstance(node, ast.Dict):
            for key in node.keys:
                word = key.value if isinstance(key, ast.Constant) else ''
                # names of parameters and of metrics look alike; the lists
                # of a test of several scales have no names
                if not NOT_COUNTED.search(str(word)):
                    assert not re.search(r'\.\d+(\.|$)', str(word)), word


def test_a_misspelt_first_part_names_near_ones():
    config = dict(train_dataloader=dict(batch_size=2))
    with pytest.raises(UserError, match='Did you mean train_dataloader'):
        edit(config, {'train_dataloder.batch_size': 3}, strict=True)
