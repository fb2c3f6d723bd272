"""MSRA's supervised network: its own strides, channel order and pixels."""

import pickle

import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import DefaultScope
from mmpretrain.structures import DataSample

from ssl_bench.errors import UserError
from ssl_bench.tasks.table import tasks
from ssl_bench.transfer.extraction import cache_keys
from ssl_bench.transfer.frozen import build_frozen
from ssl_bench.transfer.plan import make_plan
from ssl_bench.transfer.source import open_source
from ssl_bench.transfer.weights import load_backbone
from tests.backbones import thin_backbone
from tests.checkpoints import official

DETECTORS = ['voc0712_det_c4', 'coco_mrcnn_c4_1x', 'coco_mrcnn_fpn_1x']
SEGMENTERS = ['voc12aug_fcn', 'cityscapes_fcn']
CLASSIFIERS = ['in1k_linear', 'in1k_semi1', 'places205_linear']
PROBES = ['in1k_knn', 'voc07_svm']


@pytest.fixture(scope='module')
def state():
    """A thin ResNet-50 in torchvision's names."""
    return thin_backbone(depth=50, base=8).state


@pytest.fixture(scope='module')
def place(state, tmp_path_factory):
    """The file as Detectron2 publishes it, but thin."""
    path = tmp_path_factory.mktemp('msra') / 'R-50.pkl'
    path.write_bytes(pickle.dumps(official.msra(state), protocol=2))
    return path


@pytest.fixture(scope='module')
def source(place, tmp_path_factory):
    return open_source(f'supervised={place}', tmp_path_factory.mktemp('runs'))


@pytest.fixture(scope='module')
def photo_rgb():
    """Grey levels, (3, 64, 64) RGB."""
    generator = torch.Generator().manual_seed(3)
    return torch.randint(
        0, 256, (3, 64, 64), dtype=torch.uint8, generator=generator
    )


def plain(
    state, rgb, strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1), contracted=False
):
    """Maps of the four stages, in torch's own operations.

    Pixels are BGR minus their mean, not divided. A bottleneck strides in its
    first 1x1 convolution.
    """

    def norm(x, name):
        return F.batch_norm(
            x,
            *(state[f'{name}.running_{part}'] for part in ('mean', 'var')),
            state[f'{name}.weight'],
            state[f'{name}.bias'],
        )

    mean = torch.tensor([103.53, 116.28, 123.675]).view(3, 1, 1)
    x = (rgb.flip(0).float() - mean)[None]
    x = F.conv2d(x, state['conv1.weight'], stride=2, padding=3)
    x = F.max_pool2d(norm(x, 'bn1').relu(), 3, 2, 1)
    maps = []
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            name = f'layer{stage + 1}.{block}'
            stride = strides[stage] if block == 0 else 1
            dilation = dilations[stage]
            if contracted and block == 0 and dilation > 1:
                dilation //= 2
            y = F.conv2d(x, state[f'{name}.conv1.weight'], stride=stride)
            y = norm(y, f'{name}.bn1').relu()
            y = F.conv2d(
                y,
                state[f'{name}.conv2.weight'],
                padding=dilation,
                dilation=dilation,
            )
            y = norm(y, f'{name}.bn2').relu()
            y = norm(F.conv2d(y, state[f'{name}.conv3.weight']), f'{name}.bn3')
            if block == 0:
                x = F.conv2d(
                    x, state[f'{name}.downsample.0.weight'], stride=stride
                )
                x = norm(x, f'{name}.downsample.1')
            x = (x + y).relu()
        maps.append(x)
    return maps


def build(task, source):
    """The task's model with the weights in it, for testing."""
    from importlib import import_module

    config = make_plan(task, source.arch_args).config
    scope = config.default_scope
    with DefaultScope.overwrite_default_scope(scope):
        settings = dict(config.model)
        settings.setdefault(
            'data_preprocessor', config.get('data_preprocessor')
        )
        if settings['data_preprocessor'] and scope == 'mmpretrain':
            settings['data_preprocessor'].setdefault(
                'type', 'ClsDataPreprocessor'
            )
        net = import_module(f'{scope}.registry').MODELS.build(settings)
        net.init_weights()
    load_backbone(net, source)
    net.eval()
    return net


def close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.slow
@pytest.mark.parametrize('task', DETECTORS + SEGMENTERS + CLASSIFIERS)
def test_features_are_those_of_a_plain_network(
    registered, task, source, state, photo_rgb
):
    net = build(task, source)
    bgr = photo_rgb.flip(0)  # as the readers give it
    whole = task in CLASSIFIERS
    batch = net.data_preprocessor(
        dict(inputs=bgr[None] if whole else [bgr]), False
    )
    got = list(net.backbone(batch['inputs']))
    layout = (
        dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contracted=True)
        if task in SEGMENTERS
        else {}
    )
    want = plain(state, photo_rgb, **layout)
    if 'c4' in task:
        got.append(net.roi_head.shared_head.layer4(got[-1]))
    close(got[-1], want[-1])
    close(got[0], want[-len(got)])


@torch.no_grad()
@pytest.mark.parametrize('task', PROBES)
def test_probes_see_the_same_features(
    registered, task, source, state, photo_rgb
):
    plan = make_plan(task, source.arch_args)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = build_frozen(plan.config, source)
    found, _ = model(
        dict(inputs=photo_rgb.flip(0)[None], data_samples=[DataSample()]),
        lambda features: features.mean((2, 3)),
    )
    close(found, plain(state, photo_rgb)[-1].mean((2, 3)))


def test_every_task_takes_its_convention(source):
    """Each config that takes a ResNet gets strides and pixels at once."""
    taken = 0
    for task in tasks():
        net = make_plan(task).config
        if 'ResNet' not in net.get('model', net).backbone.type:
            continue
        config = make_plan(task, source.arch_args).config
        model = config.get('model', config)
        pixels = model.get('data_preprocessor') or config.data_preprocessor
        assert model.backbone.style == 'caffe', task
        assert pixels['std'] == [1.0, 1.0, 1.0]
        assert pixels['mean'] == [103.53, 116.28, 123.675]
        turns = [pixels.get(key) for key in ('bgr_to_rgb', 'to_rgb')]
        assert sorted(turns, key=str) == [False, None], task
        taken += 1
    assert taken > 15


def test_the_record_names_the_network_and_its_convention(source):
    assert (source.method, source.variant) == ('Supervised', 'MSRA')
    assert source.backbone.meta['convention'] == 'caffe'
    assert source.pretrain()['data'] == 'IN1K labels'
    plan = make_plan('voc0712_det_c4', source.arch_args)
    assert 'style caffe, BGR' in ' '.join(plan.changes)
    plain_args = {
        key: value
        for key, value in source.arch_args.items()
        if key != 'convention'
    }
    other = make_plan('voc0712_det_c4', plain_args)
    assert plan.identity != other.identity
    assert plan.config_sha256 == other.config_sha256


def test_options_that_the_weights_decide_are_refused(source):
    with pytest.raises(UserError, match='the backbone that is transferred'):
        make_plan(
            'voc0712_det_c4',
            source.arch_args,
            overrides={'model.data_preprocessor.std': [58.0, 57.0, 57.0]},
        )


def test_cached_features_belong_to_a_convention(registered, source, mini_root):
    """The same weights read in another way give other features."""
    keys = []
    for convention in ('caffe', 'torchvision'):
        arch = dict(source.arch_args, convention=convention)
        plan = make_plan('mini_knn', arch, data_root=str(mini_root))
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            model = build_frozen(plan.config, source)
        keys.append(cache_keys(plan, model, str(mini_root))['train'])
    assert keys[0] != keys[1]


def named_by_detectron2(state, **header):
    return dict(official.detectron2(state), **header)


@pytest.mark.parametrize(
    ('author', 'variant', 'convention'),
    [
        ('torchvision', 'torchvision', 'torchvision'),
        ('MSRA', 'MSRA', 'caffe'),
        (None, 'MSRA', 'caffe'),
    ],
)
def test_detectron2s_names_and_their_author(
    tmp_path, state, author, variant, convention
):
    content = named_by_detectron2(state, __author__=author)
    if author is None:
        del content['__author__'], content['matching_heuristics']
    path = tmp_path / 'R-50.pkl'
    path.write_bytes(pickle.dumps(content))
    found = open_source(f'supervised={path}', tmp_path)
    assert (found.method, found.variant) == ('Supervised', variant)
    assert found.backbone.meta['convention'] == convention
    assert ('convention' in found.arch_args) == (convention == 'caffe')


def test_an_unknown_author_is_asked_for(tmp_path, state):
    path = tmp_path / 'R-50.pkl'
    path.write_bytes(pickle.dumps(named_by_detectron2(state)))
    with pytest.raises(UserError, match='by .somebody.*--meta convention='):
        open_source(f'supervised={path}', tmp_path)
    found = open_source(
        f'supervised={path}', tmp_path, meta=dict(convention='caffe')
    )
    assert found.variant == 'MSRA'
    with pytest.raises(UserError, match="convention 'cafe'.*caffe"):
        open_source(
            f'supervised={path}', tmp_path, meta=dict(convention='cafe')
        )


def test_torchvisions_weights_are_a_variant(tmp_path):
    from torchvision.models import resnet18

    torch.save(resnet18().state_dict(), tmp_path / 'resnet18.pth')
    found = open_source(f'supervised={tmp_path}/resnet18.pth', tmp_path)
    assert (found.method, found.variant) == ('Supervised', 'torchvision')
    assert 'convention' not in found.arch_args


DETECTION = ('voc0712_det_c4', 'coco_mrcnn_')


@pytest.mark.parametrize(
    'suite', ['pixpro', 'insloc', 'lewel', 'barlow_twins']
)
def test_suites_start_detection_from_msras_weights(suite):
    """The papers' supervised detection rows do."""
    from pathlib import Path

    import yaml

    text = (Path(__file__).parents[2] / f'suites/{suite}.yaml').read_text()
    content = yaml.safe_load(text)
    files = {}
    for entry in content['methods']:
        row = entry if isinstance(entry, dict) else dict(checkpoint=entry)
        if str(row.get('checkpoint', '')).startswith('supervised='):
            for task in row.get('tasks', content['tasks']):
                assert task not in files, 'one supervised row for each task'
                files[task] = row['checkpoint']
    detection = [task for task in files if task.startswith(DETECTION)]
    assert detection
    for task in detection:
        assert files[task] == 'supervised=checkpoints/R-50.pkl', task
    others = {files[task] for task in files if task.startswith('in1k')}
    assert others <= {'supervised=checkpoints/resnet50.pth'}
