# Names of the embedded data's classes, for every mini task, and the smallest
# ViT. A test compares the names with ssl_bench.data.mini, which an mmengine
# config cannot import.
mini_classes = (
    'arrow',
    'crescent',
    'cross',
    'heart',
    'ring',
    'square',
    'star',
    'triangle',
)
mini_palette = [
    (128, 0, 0),
    (0, 128, 0),
    (128, 128, 0),
    (0, 0, 128),
    (128, 0, 128),
    (0, 128, 128),
    (128, 128, 128),
    (64, 0, 0),
]
mini_vit = dict(
    embed_dims=96, num_layers=4, num_heads=3, feedforward_channels=384
)
