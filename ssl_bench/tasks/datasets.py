"""What the tasks read: every data set as data. Imports no toolkit."""

from dataclasses import dataclass

TAR = 'tar -xf {0}.tar -C {{root}}'.format
COCO = (
    'mkdir -p {root}/coco && for f in train2017 val2017 '
    'annotations_trainval2017; do unzip -q $f.zip -d {root}/coco; done'
)


@dataclass(frozen=True)
class Dataset:
    """What a task reads below the data root.

    Attributes:
        title (str): Name in records.
        paths (tuple[str, ...]): Files and folders that must be there.
        prepare (str): Command that lays it out; ``{root}`` is the root.
        counts (tuple): Paths and how many entries each must have: lines of
            a list, images of an annotation file, entries of a folder.
        files (tuple): Folders and how many images lie below each. Another
            number is another data set: its numbers are not compared with
            published ones.
        labels (int): Of a set with masks: their labels are below this, or
            255 where a pixel does not count.
    """

    title: str
    paths: tuple[str, ...]
    prepare: str
    counts: tuple[tuple[str, int], ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    labels: int = 0


_VOC07, _VOC12 = 'VOCdevkit/VOC2007', 'VOCdevkit/VOC2012'
_IMAGENET = (
    'tar -xf imagenet.tar -C {root}/imagenet (train/<class>/*.JPEG '
    'and val/<class>/*.JPEG)'
)
_IMAGES = (('imagenet/train', 1281167), ('imagenet/val', 50000))
_MINI = 'ssl-bench data mini --root {root}'
_VARIANTS = f'{_MINI} && ssl-bench data variants {{root}}'
# Hendrycks and Dietterich, ICLR 2019: the fifteen that count
CORRUPTIONS = (
    'gaussian_noise',
    'shot_noise',
    'impulse_noise',
    'defocus_blur',
    'glass_blur',
    'motion_blur',
    'zoom_blur',
    'snow',
    'frost',
    'fog',
    'brightness',
    'contrast',
    'elastic_transform',
    'pixelate',
    'jpeg_compression',
)
# those that `ssl-bench data variants` makes
MINI_CORRUPTIONS = (
    'gaussian_noise',
    'defocus_blur',
    'brightness',
    'contrast',
    'pixelate',
    'jpeg_compression',
)

DATASETS: dict[str, Dataset] = {
    'voc0712': Dataset(
        'VOC07+12 trainval',
        (
            f'{_VOC07}/ImageSets/Main/trainval.txt',
            f'{_VOC07}/ImageSets/Main/test.txt',
            f'{_VOC07}/Annotations',
            f'{_VOC07}/JPEGImages',
            f'{_VOC12}/ImageSets/Main/trainval.txt',
            f'{_VOC12}/Annotations',
            f'{_VOC12}/JPEGImages',
        ),
        ' && '.join(
            map(
                TAR,
                (
                    'VOCtrainval_06-Nov-2007',
                    'VOCtest_06-Nov-2007',
                    'VOCtrainval_11-May-2012',
                ),
            )
        ),
        (
            (f'{_VOC07}/ImageSets/Main/trainval.txt', 5011),
            (f'{_VOC07}/ImageSets/Main/test.txt', 4952),
            (f'{_VOC12}/ImageSets/Main/trainval.txt', 11540),
        ),
    ),
    'voc07': Dataset(
        'VOC07 trainval',
        (
            f'{_VOC07}/ImageSets/Main/trainval.txt',
            f'{_VOC07}/ImageSets/Main/test.txt',
            f'{_VOC07}/JPEGImages',
        ),
        ' && '.join(
            map(TAR, ('VOCtrainval_06-Nov-2007', 'VOCtest_06-Nov-2007'))
        ),
        (
            (f'{_VOC07}/ImageSets/Main/trainval.txt', 5011),
            (f'{_VOC07}/ImageSets/Main/test.txt', 4952),
        ),
    ),
    'voc12aug': Dataset(
        'VOC12 train+aug',
        (
            f'{_VOC12}/ImageSets/Segmentation/train.txt',
            f'{_VOC12}/ImageSets/Segmentation/aug.txt',
            f'{_VOC12}/ImageSets/Segmentation/val.txt',
            f'{_VOC12}/JPEGImages',
            f'{_VOC12}/SegmentationClass',
            f'{_VOC12}/SegmentationClassAug',
        ),
        TAR('VOCtrainval_11-May-2012') + ", and mmsegmentation's "
        'tools/dataset_converters/voc_aug.py for SegmentationClassAug',
        (
            (f'{_VOC12}/ImageSets/Segmentation/train.txt', 1464),
            (f'{_VOC12}/ImageSets/Segmentation/aug.txt', 9118),
            (f'{_VOC12}/ImageSets/Segmentation/val.txt', 1449),
        ),
        labels=21,
    ),
    'coco': Dataset(
        'COCO train2017',
        (
            'coco/annotations/instances_train2017.json',
            'coco/annotations/instances_val2017.json',
            'coco/train2017',
            'coco/val2017',
        ),
        COCO,
        (
            ('coco/annotations/instances_train2017.json', 118287),
            ('coco/annotations/instances_val2017.json', 5000),
        ),
    ),
    'lvis': Dataset(
        'LVIS v1 train',
        (
            'lvis/lvis_v1_train.json',
            'lvis/lvis_v1_val.json',
            'coco/train2017',
            'coco/val2017',
        ),
        'mkdir -p {root}/lvis && for f in lvis_v1_train lvis_v1_val; do '
        "unzip -q $f.json.zip -d {root}/lvis; done, beside COCO's images: "
        + COCO,
        (
            ('lvis/lvis_v1_train.json', 100170),
            ('lvis/lvis_v1_val.json', 19809),
        ),
    ),
    'ade20k': Dataset(
        'ADE20K training',
        tuple(
            f'ade/ADEChallengeData2016/{kind}/{split}'
            for kind in ('images', 'annotations')
            for split in ('training', 'validation')
        ),
        'mkdir -p {root}/ade && unzip -q ADEChallengeData2016.zip -d '
        '{root}/ade',
        tuple(
            (f'ade/ADEChallengeData2016/{kind}/{split}', count)
            for kind in ('images', 'annotations')
            for split, count in (('training', 20210), ('validation', 2000))
        ),
        labels=151,
    ),  # 0 is no class
    'cityscapes': Dataset(
        'Cityscapes train_fine',
        tuple(
            f'cityscapes/{kind}/{split}'
            for kind in ('leftImg8bit', 'gtFine')
            for split in ('train', 'val')
        ),
        'unzip leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip into '
        "{root}/cityscapes, then mmsegmentation's "
        'tools/dataset_converters/cityscapes.py',
        files=(
            ('cityscapes/leftImg8bit/train', 2975),
            ('cityscapes/leftImg8bit/val', 500),
        ),
        labels=19,
    ),
    'imagenet': Dataset(
        'ImageNet-1K train',
        ('imagenet/train', 'imagenet/val'),
        _IMAGENET,
        (('imagenet/train', 1000), ('imagenet/val', 1000)),
        _IMAGES,
    ),
    **{
        f'imagenet_semi{percent}': Dataset(
            f'ImageNet-1K train, {percent}% of the labels',
            (
                f'imagenet/meta/semi{percent}.txt',
                'imagenet/train',
                'imagenet/val',
            ),
            f'ssl-bench data subset {{root}}/imagenet/train --percent '
            f'{percent} -o {{root}}/imagenet/meta/semi{percent}.txt, or put '
            "SimCLR's list "
            'there (lines of `class/image.JPEG label`)',
            files=_IMAGES,
        )
        for percent in (1, 10)
    },
    'places205': Dataset(
        'Places205 train',
        (
            'places205/trainvalsplit_places205/train_places205.csv',
            'places205/trainvalsplit_places205/val_places205.csv',
            'places205/images256',
        ),
        'tar -xzf imagesPlaces205_resize.tar.gz -C {root}/places205 '
        '--strip-components=4 and tar -xzf trainvalsplit_places205.tar.gz '
        '-C {root}/places205',
        (
            ('places205/trainvalsplit_places205/train_places205.csv', 2448873),
            ('places205/trainvalsplit_places205/val_places205.csv', 20500),
        ),
    ),
    'inat18': Dataset(
        'iNaturalist 2018 train',
        (
            'inat18/train2018.json',
            'inat18/val2018.json',
            'inat18/train_val2018',
        ),
        'tar -xzf F -C {root}/inat18 for F in train_val2018.tar.gz '
        'train2018.json.tar.gz val2018.json.tar.gz',
        (('inat18/train2018.json', 437513), ('inat18/val2018.json', 24426)),
    ),
    **{
        key: Dataset(
            title,
            (folder,),
            TAR(folder),
            ((folder, classes),),
            ((folder, images),),
        )
        for key, title, folder, classes, images in (
            ('imagenet_a', 'ImageNet-A', 'imagenet-a', 200, 7500),
            ('imagenet_r', 'ImageNet-R', 'imagenet-r', 200, 30000),
            (
                'imagenet_sketch',
                'ImageNet-Sketch',
                'imagenet-sketch',
                1000,
                50889,
            ),
        )
    },
    'imagenet_c': Dataset(
        'ImageNet-C',
        tuple(
            f'imagenet-c/{name}/{severity}'
            for name in CORRUPTIONS
            for severity in range(1, 6)
        ),
        'mkdir -p {root}/imagenet-c && for f in blur digital noise weather; '
        'do tar -xf $f.tar -C {root}/imagenet-c; done',
        tuple(
            (f'imagenet-c/{name}/{severity}', 1000)
            for name in CORRUPTIONS
            for severity in range(1, 6)
        ),
        tuple(
            (f'imagenet-c/{name}/{severity}', 50000)
            for name in CORRUPTIONS
            for severity in range(1, 6)
        ),
    ),
    'mini_voc': Dataset(
        'mini VOC07+12 trainval',
        (
            f'{_VOC07}/ImageSets/Main/trainval.txt',
            f'{_VOC07}/ImageSets/Main/test.txt',
            f'{_VOC07}/Annotations',
            f'{_VOC07}/JPEGImages',
            f'{_VOC12}/ImageSets/Main/trainval.txt',
            f'{_VOC12}/Annotations',
            f'{_VOC12}/JPEGImages',
        ),
        _MINI,
    ),
    'mini_seg': Dataset(
        'mini VOC12 train',
        (
            f'{_VOC12}/ImageSets/Segmentation/train.txt',
            f'{_VOC12}/ImageSets/Segmentation/val.txt',
            f'{_VOC12}/SegmentationClass',
            f'{_VOC12}/JPEGImages',
        ),
        _MINI,
        labels=9,
    ),
    'mini_coco': Dataset(
        'mini COCO train2017',
        (
            'coco/annotations/instances_train2017.json',
            'coco/annotations/instances_val2017.json',
            'coco/train2017',
            'coco/val2017',
        ),
        _MINI,
    ),
    'mini_lvis': Dataset(
        'mini LVIS train',
        (
            'lvis/lvis_v1_train.json',
            'lvis/lvis_v1_val.json',
            'coco/train2017',
            'coco/val2017',
        ),
        _VARIANTS,
    ),
    'mini_semi10': Dataset(
        'mini ImageNet train, 10% of the labels',
        ('imagenet/meta/semi10.txt', 'imagenet/train', 'imagenet/val'),
        f'{_MINI} && ssl-bench data subset {{root}}/imagenet/train '
        '--percent 10 -o {root}/imagenet/meta/semi10.txt',
    ),
    'mini_imagenet': Dataset(
        'mini ImageNet train', ('imagenet/train', 'imagenet/val'), _MINI
    ),
    'mini_places': Dataset(
        'mini ImageNet train, listed as Places205',
        (
            'places205/trainvalsplit_places205/train_places205.csv',
            'places205/trainvalsplit_places205/val_places205.csv',
            'imagenet/train',
            'imagenet/val',
        ),
        _VARIANTS,
    ),
    'mini_inat': Dataset(
        'mini ImageNet train, listed as iNaturalist 2018',
        (
            'inat18/train2018.json',
            'inat18/val2018.json',
            'imagenet/train',
            'imagenet/val',
        ),
        _VARIANTS,
    ),
    **{
        f'mini_imagenet_{part}': Dataset(
            f'mini ImageNet-{title}',
            (f'imagenet-{part}',),
            _VARIANTS,
            ((f'imagenet-{part}', classes),),
        )
        for part, title, classes in (
            ('a', 'A', 4),
            ('r', 'R', 4),
            ('sketch', 'Sketch', 8),
        )
    },
    'mini_imagenet_c': Dataset(
        'mini ImageNet-C',
        tuple(
            f'imagenet-c/{name}/{severity}'
            for name in MINI_CORRUPTIONS
            for severity in range(1, 6)
        ),
        _VARIANTS,
    ),
}
