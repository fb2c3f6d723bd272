# `ssl-bench judge` on masks, frozen: a linear layer on the maps of the
# network, by the rules of voc12_linseg_dinov2 with crops as large as the
# images and a short schedule. Of a network with stages the last three: of
# small crops its last map has few places.
TASK = dict(
    id='judge_linseg',
    title='frozen, linear segmentation',
    group='segmentation',
    order=1020,
    toolbox='mmseg',
    dataset='voc12',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source="no paper's: ssl-bench judge",
)
_base_ = '../transfer/voc12_linseg_dinov2.py'

model = dict(maps=dict(stages=(2, 3, 4)))
auto_scale_lr = dict(enable=False, base_batch_size=8)
edit_judge = {
    'train_dataloader.batch_size': 8,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
}
