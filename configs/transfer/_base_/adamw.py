# How networks that are not trained with SGD are trained under an FPN or a
# simple feature pyramid. List this file with those of the detector.
recipe_for = dict(plain='adamw_vit', stages='adamw')
# settings of what timm builds; window_size 14 with its global blocks is
# ViTDet's, with_cp trades time for memory
timm_backbone = dict(
    type='TimmBackbone', drop_path_rate=0.0, window_size=0, with_cp=False
)
recipes = dict(
    # Swin's Mask R-CNN 1x: ConvNeXt, Swin and others with stages
    adamw={
        'optim_wrapper.optimizer': dict(
            _delete_=True,
            type='AdamW',
            lr=1e-4,
            betas=(0.9, 0.999),
            weight_decay=0.05,
        ),
        'timm_backbone.drop_path_rate': 0.2,
    },
    # iBOT's detector of a ViT-B
    adamw_vit={
        'optim_wrapper.optimizer': dict(
            _delete_=True,
            type='AdamW',
            lr=1e-4,
            betas=(0.9, 0.999),
            weight_decay=0.05,
        ),
        'optim_wrapper.constructor': 'mmengine.ViTLayerDecay',
        'optim_wrapper.paramwise_cfg.layer_decay_rate': 0.65,
        'optim_wrapper.paramwise_cfg.bias_decay_mult': 0.0,
        'optim_wrapper.paramwise_cfg.flat_decay_mult': 0.0,
        'timm_backbone.drop_path_rate': 0.2,
    },
)
