"""The data sets that tasks read, each a table row of layouts."""

import os
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ssl_bench.errors import UserError, unknown_name
from ssl_bench.tasks.layouts import (
    LAYOUTS,
    CocoLayout,
    CorruptedLayout,
    DepthLayout,
    FolderLayout,
    InatLayout,
    Layout,
    ListLayout,
    LvisLayout,
    MaskLayout,
    SpairLayout,
    VocBoxLayout,
    VocMaskLayout,
)

CONVERTERS = '{converters}'  # mmseg's scripts that prepare data
TAR = 'tar -xf {0}.tar -C {{root}}'.format
COCO = (
    'mkdir -p {root}/coco && for f in train2017 val2017 '
    'annotations_trainval2017; do unzip -q $f.zip -d {root}/coco; done'
)


class Dataset(BaseModel):
    """What a task reads below the data root.

    Attributes:
        title (str): Name in records.
        train (tuple[Layout, ...]): Lists of training images, joined.
        test (tuple[Layout, ...]): Those of the test.
        drawn_from (Layout, optional): Of a list of a few labels: the whole
            training set.
        prepare (str): Command that puts it there; ``{root}`` is the root.
        root (str): Where configs expect it, from the checkout.
    """

    model_config = ConfigDict(extra='forbid', frozen=True)

    title: str
    train: tuple[Layout, ...] = ()
    test: tuple[Layout, ...]
    drawn_from: Layout | None = None
    prepare: str = 'copy your files there'
    root: str = 'data'

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """All of them: training, test, and what a list was drawn from."""
        whole = (self.drawn_from,) if self.drawn_from else ()
        return (*self.train, *self.test, *whole)

    @cached_property
    def paths(self) -> tuple[str, ...]:
        """Files and folders that must be there, the lists first."""
        found: dict[str, None] = {}
        for home in dict.fromkeys(layout.home for layout in self.layouts):
            here = [row for row in self.layouts if row.home == home]
            found.update(dict.fromkeys(f for row in here for f in row.files))
            depth = max(len(row.folders) for row in here)
            for place in range(depth):
                for row in here:
                    found.update(dict.fromkeys(row.folders[place : place + 1]))
        return tuple(found)

    def missing(self, root: str | Path) -> list[Path]:
        """Those of `paths` that are not below a data root.

        A folder where a file must be, and a file where a folder must be, are
        not it.
        """
        files = {file for layout in self.layouts for file in layout.files}
        return [
            Path(root) / path
            for path in self.paths
            if not (os.path.isfile if path in files else os.path.isdir)(
                os.path.join(root, path)
            )
        ]

    def how_to_prepare(self, root: str | Path) -> str:
        """The command that puts the data below a root."""
        text = self.prepare.replace('{root}', str(root))
        return text.replace(CONVERTERS, str(_converters()))

    def parts(self, root: str | Path) -> Iterator[tuple[Layout, bool]]:
        """Each layout below a root, and whether scores are taken on it."""
        for layout in self.layouts:
            yield layout.at(root), layout in self.test


def _converters() -> Path:
    """The folder of mmseg's scripts that prepare data; nothing is imported."""
    spec = find_spec('mmseg')
    places = spec.submodule_search_locations if spec else None
    package = Path(places[0]) if places else Path('mmseg')
    return package / '.mim/tools/dataset_converters'


def own_dataset(literal: Mapping[str, Any]) -> Dataset:
    """Build the data set that a task's config describes.

    Args:
        literal (Mapping): ``layout`` (a key of `LAYOUTS`), ``title``,
            ``train`` and ``test``, and if needed ``prepare`` and ``root``. A
            split is a path, a dict of the layout's arguments, or a list of
            these. Other keys are arguments for both splits.

    Raises:
        UserError: Says in one line what is wrong with it.
    """
    rest = dict(literal)
    kind = str(rest.pop('layout', ''))
    if kind not in LAYOUTS:
        raise unknown_name('layout', kind, LAYOUTS)
    named = {
        key: rest.pop(key)
        for key in ('title', 'prepare', 'root')
        if key in rest
    }
    splits = {key: rest.pop(key) for key in ('train', 'test') if key in rest}
    try:
        built = {
            key: tuple(_parts(LAYOUTS[kind], value, rest))
            for key, value in splits.items()
        }
        return Dataset.model_validate({**named, **built})
    except ValidationError as error:
        first = error.errors()[0]
        place = '.'.join(map(str, first['loc']))
        raise UserError(f'{kind}: {place}: {first["msg"]}') from error


def _parts(
    kind: type[Layout], value: Any, shared: dict[str, Any]
) -> Iterator[Layout]:
    for part in value if isinstance(value, (list, tuple)) else [value]:
        if not isinstance(part, dict):
            part = {kind.path_fields[0]: part}
        yield kind(**{**shared, **part})


@lru_cache(maxsize=1)
def wordnet_ids() -> tuple[str, ...]:
    """Folder names of ImageNet-1K's classes, in the order of the logits."""
    path = Path(__file__).with_name('imagenet_wnids.txt')
    return tuple(path.read_text(encoding='utf-8').split())


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
# those that `ssl-bench data variants` makes, and the embedded classes
MINI_CORRUPTIONS = (
    'gaussian_noise',
    'defocus_blur',
    'brightness',
    'contrast',
    'pixelate',
    'jpeg_compression',
)
MINI_CLASSES = (
    'arrow',
    'crescent',
    'cross',
    'heart',
    'ring',
    'square',
    'star',
    'triangle',
)
# the objects of VOC, in the order of its labels
VOC_CLASSES = (
    'aeroplane',
    'bicycle',
    'bird',
    'boat',
    'bottle',
    'bus',
    'car',
    'cat',
    'chair',
    'cow',
    'diningtable',
    'dog',
    'horse',
    'motorbike',
    'person',
    'pottedplant',
    'sheep',
    'sofa',
    'train',
    'tvmonitor',
)
# what `ssl-bench data mini` writes into the root
MINI_MANIFEST, MINI_ROOT = 'mini.json', 'data/mini'
MINI_PARTS = (
    'SPair-71k',
    'VOCdevkit',
    'coco',
    'imagenet/train',
    'imagenet/val',
    'nyu',
)
# what its manifest calls the number of images of each list and folder
MINI_SIZES = {
    'imagenet/train': 'imagenet_train',
    'imagenet/val': 'imagenet_val',
    'VOCdevkit/VOC2007/ImageSets/Main/trainval.txt': 'voc07_trainval',
    'VOCdevkit/VOC2007/ImageSets/Main/test.txt': 'voc07_test',
    'VOCdevkit/VOC2012/ImageSets/Main/trainval.txt': 'voc12_trainval',
    'VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt': 'seg_train',
    'VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt': 'seg_val',
    'coco/annotations/instances_train2017.json': 'coco_train',
    'coco/annotations/instances_val2017.json': 'coco_val',
    'nyu/nyu_train.txt': 'nyu_train',
    'nyu/nyu_test.txt': 'nyu_test',
}
_MINI = 'ssl-bench data mini --root {root}'
_VARIANTS = f'{_MINI} && ssl-bench data variants {{root}}'
_SUBSET = (
    'ssl-bench data subset {{root}}/imagenet/train --percent {0} '
    '-o {{root}}/imagenet/meta/semi{0}.txt'.format
)


def voc(
    year: int,
    split: str,
    count: int | None = None,
    names: tuple[str, ...] = VOC_CLASSES,
) -> VocBoxLayout:
    """A list of a VOC devkit, for boxes."""
    path = f'VOCdevkit/VOC{year}/ImageSets/Main/{split}.txt'
    return VocBoxLayout(list_file=path, count=count, names=names)


def voc_masks(
    split: str, labels: int, count: int | None = None
) -> VocMaskLayout:
    """A list of the VOC2012 devkit, for segmentation."""
    path = f'VOCdevkit/VOC2012/ImageSets/Segmentation/{split}.txt'
    return VocMaskLayout(list_file=path, labels=labels, count=count)


def coco(
    split: str,
    count: int | None = None,
    masks: bool = True,
    names: tuple[str, ...] = (),
) -> CocoLayout:
    """A split of COCO 2017."""
    return CocoLayout(
        annotations=f'coco/annotations/instances_{split}.json',
        images=f'coco/{split}',
        count=count,
        masks=masks,
        names=names,
    )


def lvis(split: str, count: int | None = None) -> LvisLayout:
    """A split of LVIS v1, on COCO's images."""
    return LvisLayout(
        annotations=f'lvis/lvis_v1_{split}.json',
        images='coco',
        holds=('coco/train2017', 'coco/val2017'),
        count=count,
    )


def ade20k(split: str, count: int) -> MaskLayout:
    """A split of ADE20K; the label 0 is not a class."""
    return MaskLayout(
        images=f'ade/ADEChallengeData2016/images/{split}',
        masks=f'ade/ADEChallengeData2016/annotations/{split}',
        labels=151,
        count=count,
    )


def nyu(split: str, count: int | None = None) -> DepthLayout:
    """A list of NYUv2 with depth maps."""
    return DepthLayout(
        list_file=f'nyu/nyu_{split}.txt', folder='nyu', count=count
    )


def cityscapes(split: str, count: int) -> MaskLayout:
    """A split of Cityscapes with fine annotations."""
    return MaskLayout(
        images=f'cityscapes/leftImg8bit/{split}',
        masks=f'cityscapes/gtFine/{split}',
        image_suffix='_leftImg8bit.png',
        mask_suffix='_gtFine_labelTrainIds.png',
        labels=19,
        count=count,
    )


def cityscapes_objects(split: str, count: int) -> CocoLayout:
    """A split of Cityscapes with fine annotations, in COCO's form."""
    return CocoLayout(
        annotations='cityscapes/annotations/'
        f'instancesonly_filtered_gtFine_{split}.json',
        images=f'cityscapes/leftImg8bit/{split}',
        count=count,
    )


def places(
    split: str, images: str, count: int | None = None, classes: int = 205
) -> ListLayout:
    """One of Places205's lists."""
    return ListLayout(
        list_file=f'places205/trainvalsplit_places205/{split}_places205.csv',
        images=images,
        classes=classes,
        count=count,
    )


def inat(
    split: str, holds: tuple[str, ...], count: int | None = None
) -> InatLayout:
    """A split of iNaturalist 2018."""
    return InatLayout(
        annotations=f'inat18/{split}2018.json',
        images='inat18',
        holds=holds,
        count=count,
    )


def few_labels(percent: int, classes: int) -> ListLayout:
    """A list of some of ImageNet's labels."""
    return ListLayout(
        list_file=f'imagenet/meta/semi{percent}.txt',
        images='imagenet/train',
        classes=classes,
        by_folder=True,
    )


_TRAIN, _VAL = (
    FolderLayout(
        folder=f'imagenet/{split}',
        classes=1000,
        count=count,
        published=wordnet_ids(),
    )
    for split, count in (('train', 1281167), ('val', 50000))
)
_MINI_TRAIN, _MINI_VAL = (
    FolderLayout(folder=f'imagenet/{split}', classes=len(MINI_CLASSES))
    for split in ('train', 'val')
)
_MINI_FOLDERS = ('imagenet/train', 'imagenet/val')

DATASETS: dict[str, Dataset] = {
    'voc0712': Dataset(
        title='VOC07+12 trainval',
        train=(voc(2007, 'trainval', 5011), voc(2012, 'trainval', 11540)),
        test=(voc(2007, 'test', 4952),),
        prepare=' && '.join(
            map(
                TAR,
                (
                    'VOCtrainval_06-Nov-2007',
                    'VOCtest_06-Nov-2007',
                    'VOCtrainval_11-May-2012',
                ),
            )
        ),
    ),
    'voc07': Dataset(
        title='VOC07 trainval',
        train=(voc(2007, 'trainval', 5011),),
        test=(voc(2007, 'test', 4952),),
        prepare=' && '.join(
            map(TAR, ('VOCtrainval_06-Nov-2007', 'VOCtest_06-Nov-2007'))
        ),
    ),
    'voc12': Dataset(
        title='VOC12 train',
        train=(voc_masks('train', 21, 1464),),
        test=(voc_masks('val', 21, 1449),),
        prepare=TAR('VOCtrainval_11-May-2012'),
    ),
    'voc12aug': Dataset(
        title='VOC12 train+aug',
        train=(voc_masks('train', 21, 1464), voc_masks('aug', 21, 9118)),
        test=(voc_masks('val', 21, 1449),),
        prepare=TAR('VOCtrainval_11-May-2012')
        # SBD, for SegmentationClassAug
        + f' && tar -xf benchmark.tgz && python {CONVERTERS}/voc_aug.py '
        '{root}/VOCdevkit benchmark_RELEASE',
    ),
    **{
        name: Dataset(
            title='COCO train2017',
            train=(coco('train2017', 118287, masks),),
            test=(coco('val2017', 5000, masks),),
            prepare=COCO,
        )
        for name, masks in (('coco', True), ('coco_boxes', False))
    },
    **{
        f'coco{percent}pct': Dataset(
            title=f'COCO train2017, {percent}% of the images',
            train=(coco('train2017', 118287),),  # the task draws from it
            test=(coco('val2017', 5000),),
            prepare=COCO,
        )
        for percent in (1, 5, 10)
    },
    'lvis': Dataset(
        title='LVIS v1 train',
        train=(lvis('train', 100170),),
        test=(lvis('val', 19809),),
        prepare='mkdir -p {root}/lvis && for f in lvis_v1_train lvis_v1_val; '
        "do unzip -q $f.json.zip -d {root}/lvis; done, next to COCO's "
        'images: ' + COCO,
    ),
    'ade20k': Dataset(
        title='ADE20K training',
        train=(ade20k('training', 20210),),
        test=(ade20k('validation', 2000),),
        prepare='mkdir -p {root}/ade && unzip -q ADEChallengeData2016.zip -d '
        '{root}/ade',
    ),
    'cityscapes': Dataset(
        title='Cityscapes train_fine',
        train=(cityscapes('train', 2975),),
        test=(cityscapes('val', 500),),
        prepare='mkdir -p {root}/cityscapes && for f in leftImg8bit '
        'gtFine; do unzip -q ${f}_trainvaltest.zip -d {root}/cityscapes; done '
        f'&& python {CONVERTERS}/cityscapes.py '
        '{root}/cityscapes',
    ),
    'nyu_depth': Dataset(
        title='NYUv2 depth train',
        train=(nyu('train', 24231),),
        test=(nyu('test', 654),),
        prepare="unpack BTS's NYUv2 images and depth maps of training and "
        'test (480x640, 16-bit PNG in millimetres) into {root}/nyu, with its '
        'lists as nyu_train.txt and nyu_test.txt: a line is <image> <depth '
        'map> <focal length>, paths below {root}/nyu',
    ),
    'cityscapes_instances': Dataset(
        title='Cityscapes train_fine, instances',
        train=(cityscapes_objects('train', 2975),),
        test=(cityscapes_objects('val', 500),),
        prepare='unzip leftImg8bit_trainvaltest.zip '
        'gtFine_trainvaltest.zip into {root}/cityscapes, and write '
        'annotations/instancesonly_filtered_gtFine_train.json and _val.json '
        "in COCO's form with polygons and file names CITY/IMAGE.png",
    ),
    'imagenet': Dataset(
        title='ImageNet-1K train',
        train=(_TRAIN,),
        test=(_VAL,),
        prepare='tar -xf imagenet.tar -C {root}/imagenet '
        '(train/<class>/*.JPEG and val/<class>/*.JPEG)',
    ),
    **{
        f'imagenet_semi{percent}': Dataset(
            title=f'ImageNet-1K train, {percent}% of the labels',
            train=(few_labels(percent, 1000),),
            test=(_VAL,),
            drawn_from=_TRAIN,
            prepare=f"{_SUBSET(percent)}, or copy SimCLR's or LEWEL's list "
            f'there, as imagenet/meta/semi{percent}.txt',
        )
        for percent in (1, 10)
    },
    'places205': Dataset(
        title='Places205 train',
        train=(places('train', 'places205/images256', 2448873),),
        test=(places('val', 'places205/images256', 20500),),
        prepare='tar -xzf imagesPlaces205_resize.tar.gz -C {root}/places205 '
        '--strip-components=4 and tar -xzf trainvalsplit_places205.tar.gz '
        '-C {root}/places205',
    ),
    'inat18': Dataset(
        title='iNaturalist 2018 train',
        train=(inat('train', ('inat18/train_val2018',), 437513),),
        test=(inat('val', ('inat18/train_val2018',), 24426),),
        prepare='tar -xzf F -C {root}/inat18 for F in train_val2018.tar.gz '
        'train2018.json.tar.gz val2018.json.tar.gz',
    ),
    **{
        f'imagenet_{part}': Dataset(
            title=f'ImageNet-{title}',
            test=(
                FolderLayout(
                    folder=f'imagenet-{part}',
                    classes=classes,
                    count=images,
                    names=wordnet_ids(),
                ),
            ),
            prepare=TAR(f'imagenet-{part}'),
        )
        for part, title, classes, images in (
            ('a', 'A', 200, 7500),
            ('r', 'R', 200, 30000),
            ('sketch', 'Sketch', 1000, 50889),
        )
    },
    'imagenet_c': Dataset(
        title='ImageNet-C',
        test=(
            CorruptedLayout(
                folder='imagenet-c',
                corruptions=CORRUPTIONS,
                classes=1000,
                count=50000,
                names=wordnet_ids(),
            ),
        ),
        prepare='mkdir -p {root}/imagenet-c && for f in blur digital noise '
        'weather; do tar -xf $f.tar -C {root}/imagenet-c; done',
    ),
    'spair71k': Dataset(
        title='SPair-71k test',
        test=(SpairLayout(folder='SPair-71k', count=12234),),
        prepare='tar -xzf SPair-71k.tar.gz -C {root}',
    ),
    'mini_voc': Dataset(
        title='mini VOC07+12 trainval',
        train=tuple(
            voc(year, 'trainval', names=MINI_CLASSES) for year in (2007, 2012)
        ),
        test=(voc(2007, 'test', names=MINI_CLASSES),),
        root=MINI_ROOT,
        prepare=_MINI,
    ),
    'mini_seg': Dataset(
        title='mini VOC12 train',
        train=(voc_masks('train', 9),),
        test=(voc_masks('val', 9),),
        root=MINI_ROOT,
        prepare=_MINI,
    ),
    'mini_depth': Dataset(
        title='mini depth train',
        train=(nyu('train'),),
        test=(nyu('test'),),
        root=MINI_ROOT,
        prepare=_MINI,
    ),
    'mini_spair': Dataset(
        title='mini SPair-71k test',
        test=(SpairLayout(folder='SPair-71k'),),
        root=MINI_ROOT,
        prepare=_MINI,
    ),
    'mini_coco': Dataset(
        title='mini COCO train2017',
        train=(coco('train2017', names=MINI_CLASSES),),
        test=(coco('val2017', names=MINI_CLASSES),),
        root=MINI_ROOT,
        prepare=_MINI,
    ),
    'mini_lvis': Dataset(
        title='mini LVIS train',
        train=(lvis('train'),),
        test=(lvis('val'),),
        root=MINI_ROOT,
        prepare=_VARIANTS,
    ),
    'mini_semi10': Dataset(
        title='mini ImageNet train, 10% of the labels',
        train=(few_labels(10, len(MINI_CLASSES)),),
        test=(_MINI_VAL,),
        drawn_from=_MINI_TRAIN,
        root=MINI_ROOT,
        prepare=f'{_MINI} && {_SUBSET(10)}',
    ),
    'mini_imagenet': Dataset(
        title='mini ImageNet train',
        train=(_MINI_TRAIN,),
        test=(_MINI_VAL,),
        root=MINI_ROOT,
        prepare=_MINI,
    ),
    'mini_places': Dataset(
        title='mini ImageNet train, listed as Places205',
        train=(places('train', 'imagenet/train', classes=8),),
        test=(places('val', 'imagenet/val', classes=8),),
        root=MINI_ROOT,
        prepare=_VARIANTS,
    ),
    'mini_inat': Dataset(
        title='mini ImageNet train, listed as iNaturalist 2018',
        train=(inat('train', _MINI_FOLDERS),),
        test=(inat('val', _MINI_FOLDERS),),
        root=MINI_ROOT,
        prepare=_VARIANTS,
    ),
    **{
        f'mini_imagenet_{part}': Dataset(
            title=f'mini ImageNet-{title}',
            test=(
                FolderLayout(
                    folder=f'imagenet-{part}',
                    classes=classes,
                    names=MINI_CLASSES,
                ),
            ),
            root=MINI_ROOT,
            prepare=_VARIANTS,
        )
        for part, title, classes in (
            ('a', 'A', 4),
            ('r', 'R', 4),
            ('sketch', 'Sketch', 8),
        )
    },
    'mini_imagenet_c': Dataset(
        title='mini ImageNet-C',
        test=(
            CorruptedLayout(
                folder='imagenet-c',
                corruptions=MINI_CORRUPTIONS,
                classes=8,
                names=MINI_CLASSES,
            ),
        ),
        root=MINI_ROOT,
        prepare=_VARIANTS,
    ),
}
