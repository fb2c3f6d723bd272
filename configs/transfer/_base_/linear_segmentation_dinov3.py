# What DINOv3's linear segmentation does otherwise than DINOv2's. List this
# file after a task of the latter.
edit_dinov3 = {
    'model.maps.padding': 'cut',
    'model.decode_head.dropout_ratio': 0.1,  # before the norm
    'optim_wrapper.optimizer.weight_decay': 1e-3,
    'param_scheduler.OfficialRate.rule': 'dinov3_segmentation',
    # bilinear with antialiasing
    'train_dataloader.dataset.pipeline.RandomResize.backend': 'pillow',
    'test_dataloader.dataset.pipeline.Resize.backend': 'pillow',
    # of 0 to 179: half a circle to both sides
    'train_dataloader.dataset.pipeline.PhotoMetricDistortion.hue_delta': 90,
}
recipes = dict(
    # the paper's size for patches of 14 pixels: as many as 512 has of 16
    patch14={
        'model.data_preprocessor.size': (448, 448),
        'model.test_cfg.crop_size': (448, 448),
        'model.test_cfg.stride': (298, 298),
        'train_dataloader.dataset.pipeline.RandomResize.scale': (
            99999999,
            448,
        ),
        'train_dataloader.dataset.pipeline.RandomCrop.crop_size': (448, 448),
        'test_dataloader.dataset.pipeline.Resize.scale': (99999999, 448),
    },
    # as the program reports: the best on the test set, every 5000 iterations
    best={'checkpoint_choice.best': True},
)
