# `ssl-bench judge` on masks, fine-tuned: voc12aug_fcn with crops as large as
# the images, a thinner head, and a short schedule of AdamW, the same for
# residual networks and vision transformers.
TASK = dict(
    id='judge_fcn',
    title='fine-tuned, FCN',
    group='segmentation',
    order=1030,
    toolbox='mmseg',
    dataset='voc12aug',
    metrics={
        'mIoU': dict(toolkit='mIoU', tolerance=1.0),
        'mAcc': dict(toolkit='mAcc', tolerance=0.5),
        'aAcc': dict(toolkit='aAcc', tolerance=0.5),
    },
    shown=['mIoU'],
    source="no paper's: ssl-bench judge",
)
_base_ = '../transfer/voc12aug_fcn.py'

model = dict(
    decode_head=dict(channels=128, num_convs=1, concat_input=False),
    auxiliary_head=None,
)
train_dataloader = dict(batch_size=8, num_workers=0, persistent_workers=False)
test_dataloader = dict(num_workers=0, persistent_workers=False)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=5e-4, weight_decay=0.05),
    paramwise_cfg=dict(norm_decay_mult=0.0, bias_decay_mult=0.0),
)
auto_scale_lr = dict(enable=False, base_batch_size=8)
edit = {'param_scheduler.PolyLR.eta_min': 0.0}
recipes = dict(_delete_=True)  # they are for residual networks
