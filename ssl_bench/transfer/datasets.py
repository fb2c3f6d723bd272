"""What the tasks read: every data set as data. Imports no toolkit."""
from dataclasses import dataclass
from typing import Dict, Tuple

TAR = 'tar -xf {0}.tar -C {{root}}'.format
COCO = ('mkdir -p {root}/coco && for f in train2017 val2017 '
        'annotations_trainval2017; do unzip -q $f.zip -d {root}/coco; done')


@dataclass(frozen=True)
class Dataset:
    """What a task reads below the data root.

    Attributes:
        title (str): Name in records.
        paths (tuple[str, ...]): Files and folders that must be there.
        prepare (str): Command that lays it out; ``{root}`` is the root.
        counts (tuple): Paths and how many entries each must have: lines of
            a list, images of an annotation file, entries of a folder.
    """
    title: str
    paths: Tuple[str, ...]
    prepare: str
    counts: Tuple[Tuple[str, int], ...] = ()


_VOC07, _VOC12 = 'VOCdevkit/VOC2007', 'VOCdevkit/VOC2012'
_IMAGENET = 'tar -xf imagenet.tar -C {root}/imagenet (train/<class>/*.JPEG ' \
    'and val/<class>/*.JPEG)'
_MINI = 'ssl-bench data mini --root {root}'

DATASETS: Dict[str, Dataset] = {
    'voc0712': Dataset(
        'VOC07+12 trainval',
        (f'{_VOC07}/ImageSets/Main/trainval.txt',
         f'{_VOC07}/ImageSets/Main/test.txt', f'{_VOC07}/Annotations',
         f'{_VOC07}/JPEGImages', f'{_VOC12}/ImageSets/Main/trainval.txt',
         f'{_VOC12}/Annotations', f'{_VOC12}/JPEGImages'),
        ' && '.join(map(TAR, ('VOCtrainval_06-Nov-2007',
                              'VOCtest_06-Nov-2007',
                              'VOCtrainval_11-May-2012'))),
        ((f'{_VOC07}/ImageSets/Main/trainval.txt', 5011),
         (f'{_VOC07}/ImageSets/Main/test.txt', 4952),
         (f'{_VOC12}/ImageSets/Main/trainval.txt', 11540))),
    'voc07': Dataset(
        'VOC07 trainval',
        (f'{_VOC07}/ImageSets/Main/trainval.txt',
         f'{_VOC07}/ImageSets/Main/test.txt', f'{_VOC07}/JPEGImages'),
        ' && '.join(map(TAR, ('VOCtrainval_06-Nov-2007',
                              'VOCtest_06-Nov-2007')))),
    'voc12aug': Dataset(
        'VOC12 train+aug',
        (f'{_VOC12}/ImageSets/Segmentation/train.txt',
         f'{_VOC12}/ImageSets/Segmentation/aug.txt',
         f'{_VOC12}/ImageSets/Segmentation/val.txt', f'{_VOC12}/JPEGImages',
         f'{_VOC12}/SegmentationClass', f'{_VOC12}/SegmentationClassAug'),
        TAR('VOCtrainval_11-May-2012') + ', and mmsegmentation\'s '
        'tools/dataset_converters/voc_aug.py for SegmentationClassAug'),
    'coco': Dataset(
        'COCO train2017',
        ('coco/annotations/instances_train2017.json',
         'coco/annotations/instances_val2017.json', 'coco/train2017',
         'coco/val2017'), COCO,
        (('coco/annotations/instances_train2017.json', 118287),
         ('coco/annotations/instances_val2017.json', 5000))),
    'cityscapes': Dataset(
        'Cityscapes train_fine',
        tuple(f'cityscapes/{kind}/{split}'
              for kind in ('leftImg8bit', 'gtFine')
              for split in ('train', 'val')),
        'unzip leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip into '
        '{root}/cityscapes, then mmsegmentation\'s '
        'tools/dataset_converters/cityscapes.py'),
    'imagenet': Dataset(
        'ImageNet-1K train', ('imagenet/train', 'imagenet/val'), _IMAGENET,
        (('imagenet/train', 1000), ('imagenet/val', 1000))),
    **{f'imagenet_semi{percent}': Dataset(
        f'ImageNet-1K train, {percent}% of the labels',
        (f'imagenet/meta/semi{percent}.txt', 'imagenet/train',
         'imagenet/val'),
        f'ssl-bench data subset {{root}}/imagenet/train --percent {percent} '
        f'-o {{root}}/imagenet/meta/semi{percent}.txt, or put SimCLR\'s list '
        'there (lines of `class/image.JPEG label`)')
       for percent in (1, 10)},
    'mini_voc': Dataset(
        'mini VOC07+12 trainval',
        (f'{_VOC07}/ImageSets/Main/trainval.txt',
         f'{_VOC07}/ImageSets/Main/test.txt', f'{_VOC07}/Annotations',
         f'{_VOC07}/JPEGImages', f'{_VOC12}/ImageSets/Main/trainval.txt',
         f'{_VOC12}/Annotations', f'{_VOC12}/JPEGImages'), _MINI),
    'mini_seg': Dataset(
        'mini VOC12 train',
        (f'{_VOC12}/ImageSets/Segmentation/train.txt',
         f'{_VOC12}/ImageSets/Segmentation/val.txt',
         f'{_VOC12}/SegmentationClass', f'{_VOC12}/JPEGImages'), _MINI),
    'mini_coco': Dataset(
        'mini COCO train2017',
        ('coco/annotations/instances_train2017.json',
         'coco/annotations/instances_val2017.json', 'coco/train2017',
         'coco/val2017'), _MINI),
    'mini_semi10': Dataset(
        'mini ImageNet train, 10% of the labels',
        ('imagenet/meta/semi10.txt', 'imagenet/train', 'imagenet/val'),
        f'{_MINI} && ssl-bench data subset {{root}}/imagenet/train '
        '--percent 10 -o {root}/imagenet/meta/semi10.txt'),
    'mini_imagenet': Dataset(
        'mini ImageNet train', ('imagenet/train', 'imagenet/val'), _MINI),
}
