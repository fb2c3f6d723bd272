"""Every official format: found by its names, whole, the rest left aside."""

import pickle

import pytest
import torch

from ssl_bench.checkpoints.convert import convert
from ssl_bench.checkpoints.formats import FORMATS
from ssl_bench.errors import UserError
from tests.checkpoints import official
from tests.checkpoints.official import copies, heads, lightning, prefixed

# name of the case: (format, method, what is saved, target branch exists)
RESNET_CASES = {
    'pixpro': ('pixpro', 'PixPro', official.pixpro, True),
    'pixpro instance branch': (
        'pixpro',
        'PixPro',
        lambda s: official.pixpro(s, 'pixpro_ins'),
        True,
    ),
    'pixpro as published': (
        'pixpro',
        'PixPro',
        lambda s: dict(model=official.pixpro(s)['model']),
        True,
    ),
    'lewel': ('lewel', 'LEWEL', official.lewel, True),
    'barlow twins': (
        'barlow_twins',
        'Barlow Twins',
        official.barlow_twins,
        False,
    ),
    'barlow twins resnet50.pth': (
        'torchvision',
        '',
        lambda s: official.tensors('barlow_twins_resnet50', s, ''),
        False,
    ),
    'moco': ('moco', 'MoCo v2', official.mocov2, True),
    'moco v1': (
        'moco',
        'MoCo v1',
        lambda s: dict(
            state_dict={
                **prefixed('module.encoder_q.', s),
                **heads('module.encoder_q.fc.weight', 'module.queue'),
            }
        ),
        False,
    ),
    'insloc fpn': ('insloc', 'InsLoc', official.insloc_fpn, True),
    'insloc c4': ('insloc', 'InsLoc', official.insloc_c4, True),
    'moco v3 resnet': (
        'mocov3',
        'MoCo v3',
        lambda s: dict(
            state_dict={
                **prefixed('module.base_encoder.', s),
                **prefixed('module.momentum_encoder.', copies(s)),
                **heads(
                    'module.predictor.0.weight',
                    'module.base_encoder.fc.0.weight',
                ),
            }
        ),
        True,
    ),
    'simsiam': (
        'simsiam',
        'SimSiam',
        lambda s: dict(
            state_dict={
                **prefixed('module.encoder.', s),
                **heads(
                    'module.encoder.fc.0.weight', 'module.predictor.0.weight'
                ),
            }
        ),
        False,
    ),
    'swav': (
        'swav',
        'SwAV',
        lambda s: {
            **prefixed('module.', s),
            **heads(
                'module.projection_head.0.weight', 'module.prototypes.weight'
            ),
        },
        False,
    ),
    'dino': (
        'dino',
        '',  # iBOT saves the same
        lambda s: dict(
            epoch=300,
            student=prefixed('module.backbone.', copies(s)),
            teacher={**prefixed('backbone.', s), **heads('head.mlp.0.weight')},
        ),
        True,
    ),
    'densecl': (
        'densecl',
        'DenseCL',
        lambda s: dict(
            state_dict={
                **prefixed('encoder_q.0.', s),
                **prefixed('encoder_k.0.', copies(s)),
                **heads('encoder_q.1.mlp.0.weight', 'queue', 'queue2'),
            }
        ),
        True,
    ),
    'densecl extracted': (
        'torchvision',
        '',
        lambda s: dict(state_dict=s),
        False,
    ),
    'openselfsup moco': (
        'openselfsup_moco',
        'MoCo v2',
        lambda s: dict(
            meta=dict(mmcv_version='1.0'),
            state_dict={
                **prefixed('encoder_q.0.', s),
                **heads('queue', 'encoder_q.1.mlp.0.weight'),
            },
        ),
        False,
    ),
    'openselfsup': (
        'openselfsup',
        '',
        lambda s: dict(
            meta=dict(mmcv_version='1.0'),
            state_dict={
                **prefixed('backbone.', s),
                **heads('neck.fc0.weight'),
            },
        ),
        False,
    ),
    'byol, openselfsup': (
        'byol',
        'BYOL',
        lambda s: dict(
            state_dict={
                **prefixed('online_net.0.', s),
                **prefixed('target_net.0.', copies(s)),
                **heads('online_net.1.fc0.weight'),
            }
        ),
        True,
    ),
    'byol, lucidrains': (
        'byol',
        'BYOL',
        lambda s: {
            **prefixed('online_encoder.net.', s),
            **prefixed('target_encoder.net.', copies(s)),
            **heads('online_predictor.net.0.weight'),
        },
        True,
    ),
    'vissl': (
        'vissl',
        '',
        lambda s: dict(
            classy_state_dict=dict(
                base_model=dict(
                    model=dict(
                        trunk=prefixed('_feature_blocks.', s),
                        heads=heads('0.clf.weight'),
                    )
                )
            )
        ),
        False,
    ),
    'solo-learn': (
        'solo_learn',
        '',
        lambda s: lightning(
            {
                **prefixed('backbone.', s),
                **prefixed('momentum_backbone.', copies(s)),
                **heads('projector.0.weight', 'classifier.weight'),
            }
        ),
        True,
    ),
    'solo-learn, old': (
        'solo_learn',
        '',
        lambda s: lightning(
            {**prefixed('encoder.', s), **heads('classifier.weight')}
        ),
        False,
    ),
    'lightly': (
        'lightly',
        '',
        lambda s: lightning(
            {
                **prefixed('backbone.', official.sequential(s)),
                **prefixed(
                    'backbone_momentum.', official.sequential(copies(s))
                ),
                **heads('projection_head.layers.0.weight'),
            }
        ),
        True,
    ),
    'lightning': (
        'lightning',
        '',
        lambda s: lightning(prefixed('model.', s)),
        False,
    ),
    'torchvision': (
        'torchvision',
        '',
        lambda s: {**s, **heads('fc.weight', 'fc.bias')},
        False,
    ),
    'compiled': (
        'torchvision',
        '',
        lambda s: dict(state_dict=prefixed('module._orig_mod.', s)),
        False,
    ),
    'detectron2': ('detectron2', '', official.detectron2, False),
    'caffe2': ('caffe2', '', official.msra, False),
    'hf': ('hf', '', lambda s: _hf(s), False),
    'no known format': (
        'raw',
        '',
        lambda s: dict(net=3, state_dict=prefixed('student_net.trunk.', s)),
        False,
    ),
}


def _hf(state):
    from ssl_bench.checkpoints.names import from_ours

    return {
        **prefixed('resnet.', from_ours(state, 'hf_resnet')),
        **heads('classifier.1.weight'),
    }


def save(path, content):
    if 'matching_heuristics' in content or 'conv1_w' in content:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    return path


def equal(found, expected):
    assert set(found) == set(expected)
    assert all(
        torch.equal(found[name], tensor) for name, tensor in expected.items()
    )


@pytest.mark.parametrize('case', RESNET_CASES)
def test_resnet_formats(case, tmp_path, resnet18, resnet50):
    source, method, build, has_target = RESNET_CASES[case]
    listed = build.__module__ == official.__name__ or case in (
        'pixpro instance branch',
        'pixpro as published',
        'barlow twins resnet50.pth',
    )
    state = dict((resnet50 if listed else resnet18).state_dict())
    path = save(tmp_path / 'checkpoint', build(state))
    backbone, report = convert(path)
    if source == 'caffe2':  # has no batch counters
        state = {k: v for k, v in state.items() if 'num_batches' not in k}
    assert backbone.meta['source_format'] == source
    assert backbone.meta['method'] == method
    assert backbone.meta.get('convention') == (
        'caffe' if source == 'caffe2' else None
    )
    assert backbone.arch == ('resnet50' if listed else 'resnet18')
    assert report.norms == (53 if listed else 20) and report.complete
    equal(backbone.state, state)
    if has_target:
        # of DINO's two the teacher is evaluated
        other = 'online' if case == 'dino' else 'target'
        target, _ = convert(path, branch=other)
        equal(target.state, copies(state))
    else:
        with pytest.raises(UserError, match='target|recognised'):
            convert(path, branch='target')


def _without(state, start):
    return {k: v for k, v in state.items() if not k.startswith(start)}


VIT_CASES = {
    'siamese_im': ('siamese_im', 'SiameseIM', official.siamese_im, False),
    'mae': (
        'mae',
        'MAE',
        lambda s: dict(
            model={
                **s,
                **heads(
                    'mask_token',
                    'decoder_embed.weight',
                    'decoder_blocks.0.norm1.weight',
                ),
            },
            args=official.options(),
        ),
        True,
    ),
    'mae encoder': ('mae', 'MAE', lambda s: dict(model=s), True),
    'timm': ('timm', '', lambda s: {**s, **heads('head.weight')}, True),
    'deit': (
        'timm',
        '',
        lambda s: dict(model={**s, **heads('head.weight')}),
        True,
    ),
    'moco v3': (
        'mocov3',
        'MoCo v3',
        lambda s: dict(
            state_dict={
                **prefixed('module.base_encoder.', s),
                **heads(
                    'module.base_encoder.head.0.weight',
                    'module.predictor.0.weight',
                ),
            }
        ),
        True,
    ),
    'dino flat': ('timm', '', lambda s: dict(s), True),
}


@pytest.mark.parametrize('case', VIT_CASES)
def test_vit_formats(case, tmp_path, vit_base, vit_tiny):
    source, method, build, norm = VIT_CASES[case]
    listed = build is official.siamese_im
    state = dict((vit_base if listed else vit_tiny).state_dict())
    path = save(tmp_path / 'checkpoint', build(state))
    backbone, report = convert(path)
    assert backbone.meta['source_format'] == source
    assert backbone.meta['method'] == method
    assert backbone.arch == f'vit_{"base" if listed else "tiny"}_patch16'
    assert backbone.meta['arch_args']['final_norm'] is norm
    assert backbone.meta['arch_args']['heads'] == (
        12 if listed or source == 'mocov3' else 3
    )
    equal(backbone.state, state if norm else _without(state, 'norm.'))


def test_siamese_im_target_shares_the_position_table(tmp_path, vit_base):
    state = _without(dict(vit_base.state_dict()), 'norm.')
    path = save(tmp_path / 'c.pth', official.siamese_im(state))
    target, _ = convert(path, branch='target')
    expected = copies(state)
    expected['pos_embed'] = state['pos_embed']
    equal(target.state, expected)


def test_insloc_fpn_keeps_neck_and_head(tmp_path, resnet50):
    path = save(
        tmp_path / 'c.pth', official.insloc_fpn(dict(resnet50.state_dict()))
    )
    backbone, report = convert(path)
    assert len(backbone.neck) == 8 * 6 and len(backbone.roi_head) == 4 * 6 + 4
    assert 'lateral_convs.0.conv.weight' in backbone.neck
    assert 'bbox_head.shared_fcs.1.bias' in backbone.roi_head
    assert report.dropped == {
        'backbone_k': 318,
        'neck_k': 48,
        'roi_head_k': 30,
        'roi_head': 2,
        'queue': 1,
        'queues': 1,
        'queue_ptr': 1,
    }


@pytest.mark.parametrize(
    'build,epochs',
    [
        (lambda s: official.mocov2(s), 200),  # saves the number done
        (
            lambda s: dict(
                model={**s, 'decoder_embed.weight': torch.ones(2)}, epoch=799
            ),
            800,
        ),  # saves the index of the last one
        (lambda s: dict(s), None),
    ],
)
def test_epochs(build, epochs, tmp_path, resnet50, vit_tiny):
    model = vit_tiny if epochs == 800 else resnet50
    path = save(tmp_path / 'c.pth', build(dict(model.state_dict())))
    meta = convert(path)[0].meta
    assert meta['pretrain_epochs'] == epochs
    assert meta['sources'].get('pretrain_epochs') == (
        'epoch' if epochs else None
    )


def test_every_format_has_a_case():
    cases = {**RESNET_CASES, **VIT_CASES}
    tested = {case[0] for case in cases.values()} | {
        'mmengine',
        'siamese_im_finetuned',
        'mae_finetuned',
    }
    assert tested - {'raw'} == {row.name for row in FORMATS}


def finetuned(vit):
    return dict(
        model={
            **_without(vit, 'norm.'),
            **heads(
                'fc_norm.weight', 'fc_norm.bias', 'head.weight', 'head.bias'
            ),
        },
        args=official.options(),
    )


def test_two_candidates_are_both_named(tmp_path, vit_tiny):
    state = dict(vit_tiny.state_dict())
    path = save(tmp_path / 'c.pth', finetuned(state))
    with pytest.raises(
        UserError, match='--from siamese_im_finetuned or --from mae_finetuned'
    ):
        convert(path)
    backbone, _ = convert(path, 'siamese_im_finetuned')
    assert backbone.meta['method'] == 'SiameseIM'
    equal(backbone.state, _without(state, 'norm.'))


def test_two_encoders_of_no_format_are_both_named(tmp_path, resnet18):
    state = dict(resnet18.state_dict())
    path = save(
        tmp_path / 'c.pth',
        {**prefixed('left.', state), **prefixed('right.', copies(state))},
    )
    with pytest.raises(UserError, match='--prefix left. or --prefix right.'):
        convert(path)
    equal(convert(path, prefix='right.')[0].state, copies(state))


def test_beit_tables_own_and_shared(tmp_path):
    timm = pytest.importorskip('timm')
    from tests.checkpoints.conftest import randomised

    model = randomised(
        timm.create_model('beit_base_patch16_224', depth=2, num_classes=0)
    )
    state = dict(model.state_dict())
    for part in ('weight', 'bias'):  # pretrained, not fine-tuned
        state[f'norm.{part}'] = state.pop(f'fc_norm.{part}')
    own = save(
        tmp_path / 'own.pth', dict(model={**state, **heads('head.weight')})
    )
    backbone, _ = convert(own)
    assert backbone.meta['source_format'] == 'beit'
    args = backbone.meta['arch_args']
    assert (args['family'], args['model']) == ('timm', 'beit_base_patch16_224')
    assert args['kwargs'] == {'depth': 2, 'global_pool': 'token'}
    equal(backbone.state, state)
    name = 'attn.relative_position_bias_table'
    shared = {k: v for k, v in state.items() if not k.endswith(name)}
    table = state[f'blocks.0.{name}']
    shared['rel_pos_bias.relative_position_bias_table'] = table
    backbone, _ = convert(save(tmp_path / 'shared.pth', dict(model=shared)))
    equal(backbone.state, {**state, f'blocks.1.{name}': table})


def test_layer_scale(tmp_path):
    timm = pytest.importorskip('timm')
    model = timm.create_model(
        'vit_tiny_patch16_224', depth=2, num_classes=0, init_values=0.1
    )
    path = save(tmp_path / 'c.pth', dict(model.state_dict()))
    backbone, _ = convert(path)
    args = backbone.meta['arch_args']
    assert (args['family'], args['model']) == ('timm', 'vit_tiny_patch16_224')
    assert args['kwargs'] == {'depth': 2, 'init_values': 1e-5}
    equal(backbone.state, model.state_dict())


def test_old_files_lack_batch_counters(tmp_path, resnet18):
    state = {
        k: v
        for k, v in resnet18.state_dict().items()
        if not k.endswith('num_batches_tracked')
    }
    path = tmp_path / 'c.pth'
    torch.save(state, path, _use_new_zipfile_serialization=False)
    backbone, report = convert(path)
    equal(backbone.state, state)
    assert report.complete
