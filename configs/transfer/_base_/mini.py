# Names of the embedded data's classes, for every mini task. A test holds them
# to ssl_bench.data.mini, which an mmengine config cannot import.
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
