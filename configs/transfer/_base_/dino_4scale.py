# DINO (Zhang et al., ICLR 2023) on four maps, strides 8 to 64, ResNet-50.
_base_ = './dino_stock.py'

model = dict(
    # the backbone file is loaded after building. Stem and first stage, and
    # all batch norms, stay as they are, as in stock and in the program
    backbone=dict(init_cfg=None),
    # stock's ends a diverged run with an error of its own
    train_cfg=dict(assigner=dict(type='FiniteHungarianAssigner')),
)
