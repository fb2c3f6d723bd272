# PixPro R-50 with the instance branch, 100 epochs. Published: COCO Mask R-CNN
# R50-FPN 1x 41.3 box, 37.1 mask AP.
# paper: a contrastive instance loss of weight 1; here: the released code's
# regression (no script of it was released), with the paper's weight.
_base_ = 'pixpro_r50_100e.py'
method = dict(variant='with instance branch')
model = dict(instance_weight=1.0, instance_hid_channels=4096)
