"""SiameseIM and Barlow Twins through data, runner and pictures."""
import pytest
import torch

from ssl_bench.engine.config import load_config
from ssl_bench.engine.pretrain import pretrain


@pytest.mark.parametrize(
    'name', ['siamese_im_vit_tiny', 'barlow_twins_r18'])
def test_resumed_run_equals_the_straight_one(name, registered, image_folder,
                                             tmp_path):
    """Two epochs of the runner against one, a restart, and one."""
    def config():
        config = load_config(f'mini/{name}.py')
        config.train_dataloader.batch_size = 4
        config.train_dataloader.dataset.data_root = str(image_folder)
        config.param_scheduler[0].update(warmup=1, end=2)
        config.train_cfg.max_epochs = 2
        config.default_hooks.checkpoint.interval = 1
        config.log_level = 'WARNING'
        return config

    straight = pretrain(config(), tmp_path / 'straight')
    (tmp_path / 'halves').mkdir()
    first = tmp_path / 'straight/epoch_1.pth'
    (tmp_path / 'halves/last_checkpoint').write_text(str(first))
    resumed = pretrain(config(), tmp_path / 'halves', resume=True)
    wanted, got, before = (torch.load(path, weights_only=False)['state_dict']
                           for path in (straight, resumed, first))
    assert resumed != straight and wanted.keys() == got.keys()
    for key in wanted:
        assert torch.equal(wanted[key], got[key]), key
    assert any(not torch.equal(wanted[key], before[key]) for key in wanted)
    if 'target.step' in wanted:
        assert int(wanted['target.step']) == 6


def test_masked_patches_and_tokens_are_drawn():
    """A dropped patch is grey; dots of view 2 mark the same pixels."""
    from mmpretrain.structures import DataSample

    from ssl_bench.data.contact_sheet import draw_view
    sample = DataSample()
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[3, 1] = True
    for field, value in dict(
            mask=mask, flips=torch.tensor([False, True]),
            crops=torch.tensor([[0., 0, 64, 64], [32, 0, 64, 32]])).items():
        sample.set_field(value, field)
    black = torch.zeros(3, 64, 64, dtype=torch.uint8)
    first, second = (draw_view(black, sample, i, 64) for i in (0, 1))
    assert first.getpixel((24, 56)) == (0x70, 0x70, 0x70)
    assert first.getpixel((56, 56)) == (0, 0, 0)
    orange = (0xff, 0x5f, 0x00)
    assert second.getpixel((24, 24)) == orange
    # view 2, mirrored, halves the right upper quarter of the source:
    # its pixel (24, 24) is the source's (64 - 12, 12)
    assert first.getpixel((52, 12)) == orange
    assert first.getpixel((12, 40)) == (0, 0, 0)
