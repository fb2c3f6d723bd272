"""The lines in the documentation are those that the command prints."""

from pathlib import Path

from ssl_bench.checkpoints.architectures import ResNet, ViT, describe
from ssl_bench.checkpoints.backbone import Backbone
from ssl_bench.checkpoints.snippets import snippet
from ssl_bench.checkpoints.timm_nets import TimmNet

PAGE = Path(__file__).parents[2] / 'docs/checkpoints.md'
R50 = ResNet(50)
VIT_B = ViT(768, 12, 16, 14, 12, 3072)
CONVNEXT = TimmNet('convnextv2_tiny', {}, 'none', pool='pooled_map')
SHOWN = [
    ('/data/out.pth', R50, 'torchvision'),
    ('/data/out.pth', R50, 'timm'),
    ('/data/out', CONVNEXT, 'timm'),
    ('/data/out', VIT_B, 'hf'),
    ('/data/out.pth', R50, 'mmdet'),
    ('/data/out.pth', VIT_B, 'mmseg'),
    ('/data/out.pth', CONVNEXT, 'mmdet'),
    ('/data/out.pth', R50, 'mmpretrain'),
    ('/data/out.pkl', R50, 'detectron2'),
]


def test_the_page_has_what_is_printed():
    text = PAGE.read_text()
    for path, arch, target in SHOWN:
        backbone = Backbone({}, meta=dict(arch_args=describe(arch)))
        folder = arch is CONVNEXT and target == 'timm'
        lines = snippet(path, arch, backbone, target, folder)
        assert f'```python\n{lines}\n```' in text, (target, lines)
