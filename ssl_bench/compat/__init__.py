"""What the toolkits need to work with current packages, uncompiled."""

#: Distributions whose versions can move a number, or stop a run.
PACKAGES = (
    'torch',
    'torchvision',
    'onedl-mmengine',
    'onedl-mmcv',
    'onedl-mmdetection',
    'onedl-mmsegmentation',
    'onedl-mmpretrain',
    'numpy',
    'safetensors',
    'scikit-image',
    'scikit-learn',
    'pycocotools',
    'faster-coco-eval',
)
