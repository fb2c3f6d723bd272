# PixPro R-50 with the instance branch, 400 epochs. Published: COCO Mask R-CNN
# R50-FPN 1x 41.4 box, 37.4 mask AP.
_base_ = 'pixpro_r50_400e.py'
method = dict(variant='with instance branch')
# as in pixpro_ins_r50_100e.py
model = dict(instance_weight=1.0, instance_hid_channels=4096)
