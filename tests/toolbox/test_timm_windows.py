"""Windows in timm's blocks, against a loop over windows."""

import pytest
import timm
import torch
import torch.nn.functional as F

from ssl_bench.toolbox.timm_windows import (
    attend_in_windows,
    join,
    split,
    takes_windows,
)


def small(name='vit_small_patch14_reg4_dinov2', **more):
    return timm.create_model(
        name, num_classes=0, embed_dim=24, depth=2, num_heads=3, **more
    ).eval()


@pytest.mark.parametrize('prefix', [0, 3])
def test_split_and_join(prefix):
    x = torch.randn(2, prefix + 5 * 7, 4)
    windows, count = split(x, (5, 7), 3)
    assert windows.shape == (2 * 6, prefix + 9, 4) and count == 6
    torch.testing.assert_close(join(windows, count, (5, 7), 3), x)
    # the second window of the first image: columns 3 to 5, rows 0 to 2
    patches = x[0, prefix:].view(5, 7, 4)
    torch.testing.assert_close(
        windows[1, prefix:].view(3, 3, 4), patches[:3, 3:6]
    )
    # the last one is padded
    last = windows[5, prefix:].view(3, 3, 4)
    torch.testing.assert_close(last[:2, :1], patches[3:, 6:])
    assert not last[2:].any() and not last[:, 1:].any()


def test_attention_of_a_window_is_plain_attention():
    torch.manual_seed(0)
    net = small(img_size=70, dynamic_img_size=True)
    plain = net.blocks[0].attn
    x = torch.randn(1, 5 + 25, 24)
    patches = F.pad(x[:, 5:].view(1, 5, 5, 24), (0, 0, 0, 1, 0, 1))
    wanted, seen = torch.zeros(6, 6, 24), []
    with torch.no_grad():
        for row in (0, 3):
            for column in (0, 3):
                window = patches[:, row : row + 3, column : column + 3]
                tokens = torch.cat((x[:, :5], window.flatten(1, 2)), 1)
                out = plain(tokens)[0]
                seen.append(out[:5])
                wanted[row : row + 3, column : column + 3] = out[5:].view(
                    3, 3, 24
                )
        names = list(net.state_dict())
        attend_in_windows(net, 3, whole=[1])
        net.patch_embed(torch.zeros(1, 3, 70, 70))
        got = net.blocks[0].attn(x)[0]
    assert list(net.state_dict()) == names
    torch.testing.assert_close(got[:5], torch.stack(seen).mean(0))
    torch.testing.assert_close(
        got[5:].view(5, 5, 24), wanted[:5, :5], rtol=1e-5, atol=1e-6
    )
    assert type(net.blocks[1].attn) is not type(net.blocks[0].attn)


def test_one_window_is_the_whole_map():
    torch.manual_seed(0)
    net, image = small(img_size=56), torch.randn(1, 3, 56, 56)
    with torch.no_grad():
        before = net.forward_features(image)
        attend_in_windows(net, 4, whole=[])
        after = net.forward_features(image)
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    'name,takes',
    [
        ('vit_small_patch16_224', True),
        ('vit_small_patch14_reg4_dinov2', True),
        ('vit_small_patch16_dinov3', False),
        ('beitv2_base_patch16_224', False),
        ('xcit_nano_12_p16_224', False),
        ('convnext_atto', False),
    ],
)
def test_which_networks_take_windows(name, takes):
    with torch.device('meta'):
        assert takes_windows(timm.create_model(name)) == takes
