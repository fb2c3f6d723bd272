# What the mini detection tasks share: loaders, and few proposals.
edit_sizes = {
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'test_dataloader.batch_size': 8,
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
    'model.train_cfg': dict(
        rpn=dict(sampler=dict(num=64)),
        rpn_proposal=dict(nms_pre=200, max_per_img=64),
        rcnn=dict(sampler=dict(num=32)),
    ),
    'model.test_cfg': dict(
        rpn=dict(nms_pre=200, max_per_img=50), rcnn=dict(max_per_img=30)
    ),
    'param_scheduler.LinearLR.end': 31,
}
