# PixPro R-50, 400 epochs. Published: VOC07+12 C4 60.2 AP; COCO Mask R-CNN
# R50-C4 1x 40.5 box, 35.3 mask AP.
_base_ = 'pixpro_r50_100e.py'
param_scheduler = [
    dict(
        type='WarmupCosineLR',
        warmup=5,
        end=400,
        start_factor=0.01,
        final_factor=2.5e-7,  # 1e-6
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=400)
