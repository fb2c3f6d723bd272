# SiameseIM's sizes (released ViT-B run): decoder of 768 channels, 16 heads,
# projector of 2 blocks, predictor of 4, batch norm over samples and tokens.
model = dict(
    type='SiameseIM',
    backbone=dict(type='SincosViT', arch='base', img_size=224, patch_size=16),
    neck=dict(type='SiameseIMProjector', channels=768, depth=2, num_heads=16),
    head=dict(type='SiameseIMPredictor', depth=4, num_heads=16),
    num_masked=118,
    momentum=0.995,
    neg_weight=0.02,
)
