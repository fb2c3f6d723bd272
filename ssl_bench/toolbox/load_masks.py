"""Segmentation sets and their masks, listed and judged by the layouts."""

import numpy as np
from mmseg.datasets import (
    ADE20KDataset,
    BaseSegDataset,
    CityscapesDataset,
    PascalVOCDataset,
)
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import DATASETS, TRANSFORMS

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts import MaskLayout, PairedMaskLayout, VocMaskLayout
from ssl_bench.tasks.layouts.masks import IGNORED, check_mask, read_mask
from ssl_bench.tasks.layouts.unusable import UnusableLabels
from ssl_bench.toolbox.load_images import note_skipped


@DATASETS.register_module()
class ListedBaseSegDataset(BaseSegDataset):
    """mmseg's ``BaseSegDataset``: images and their masks."""

    @property
    def layout(self) -> MaskLayout:
        """What is on disk."""
        settings = dict(
            images=self.data_prefix['img_path'].rstrip('/'),
            masks=self.data_prefix['seg_map_path'].rstrip('/'),
            image_suffix=self.img_suffix,
            mask_suffix=self.seg_map_suffix,
            labels=self.labels_in_files,
        )
        if self.ann_file:
            return VocMaskLayout(list_file=self.ann_file, **settings)
        return MaskLayout(**settings)

    @property
    def labels_in_files(self) -> int:
        """Labels in the mask files are below this, or 255."""
        names = self.METAINFO.get('classes') or self.metainfo['classes']
        return len(names) + bool(self.reduce_zero_label)

    def load_data_list(self) -> list[dict]:
        """Path of every image and of its mask.

        Raises:
            UserError: The layout has a problem.
        """
        reading = self.layout.read(scored=self.test_mode)
        reading.refuse()
        self.notes = reading.notes
        return [
            dict(
                img_path=entry.image,
                seg_map_path=entry.mask,
                label_map=self.label_map,
                reduce_zero_label=self.reduce_zero_label,
                seg_fields=[],
            )
            for entry in reading.entries
        ]


@DATASETS.register_module()
class ListedPascalVOCDataset(ListedBaseSegDataset, PascalVOCDataset):
    """mmseg's ``PascalVOCDataset``."""


@DATASETS.register_module()
class ListedADE20KDataset(ListedBaseSegDataset, ADE20KDataset):
    """mmseg's ``ADE20KDataset``."""


@DATASETS.register_module()
class ListedCityscapesDataset(ListedBaseSegDataset, CityscapesDataset):
    """mmseg's ``CityscapesDataset``."""


@DATASETS.register_module()
class ADE20KWithZero(ListedBaseSegDataset):
    """ADE20K with the labels of its files: 151, of which 0 is no class.

    Reference: NeCo, Hummingbird; mmseg's own set shifts the labels.
    """

    METAINFO = dict(
        classes=('no class', *ADE20KDataset.METAINFO['classes']),
        palette=[[0, 0, 0], *ADE20KDataset.METAINFO['palette']],
    )

    def __init__(self, **settings) -> None:
        super().__init__(img_suffix='.jpg', seg_map_suffix='.png', **settings)


@DATASETS.register_module()
class OwnMasks(ListedBaseSegDataset):
    """Images and masks of a user's own, paired by their names.

    Args:
        data_root (str): Folder of the images.
        masks (str): Folder of the masks.
        ann_file (str): Names of the images that are taken; all when empty.
        **kwargs: Of ``BaseSegDataset``; ``metainfo`` names the classes.
    """

    def __init__(
        self, data_root: str, masks: str, ann_file: str = '', **kwargs
    ) -> None:
        prefix = dict(img_path=data_root, seg_map_path=masks)
        super().__init__(ann_file=ann_file, data_prefix=prefix, **kwargs)

    @property
    def layout(self) -> PairedMaskLayout:
        """What is on disk."""
        return PairedMaskLayout(
            images=self.data_prefix['img_path'],
            masks=self.data_prefix['seg_map_path'],
            list_file=self.ann_file,
            labels=self.labels_in_files,
        )


@TRANSFORMS.register_module()
class ReadMask(LoadAnnotations):
    """mmseg's ``LoadAnnotations``, for masks that are not as expected.

    In training, a mask that does not decode, does not have the size of its
    image, or has a label that the network does not know is noted, and its
    image is skipped; mmseg stops in the middle of an epoch. In testing it
    stops the run.

    Args:
        classes (int): Of the network.
        skipped (str, optional): File that names of skipped masks are added
            to; None to stop at the first.
        **kwargs: Of ``LoadAnnotations``.
    """

    def __init__(
        self, classes: int, skipped: str | None = None, **kwargs
    ) -> None:
        super().__init__(**kwargs)
        self.classes, self.skipped = classes, skipped

    def transform(self, results: dict) -> dict | None:
        """Read ``seg_map_path``; None when it was skipped.

        Raises:
            UserError: The mask is unusable, and may not be skipped.
        """
        path = results['seg_map_path']
        try:
            super().transform(results)
            check_mask(
                results['gt_seg_map'], results['ori_shape'], self.classes
            )
            return results
        except UnusableLabels as fault:
            if self.skipped is None:
                raise UserError(
                    f'the mask {path} {fault.text}. Fix it, or take its '
                    'image out of the list.'
                ) from fault
            note_skipped(self.skipped, path, fault.text)
            return None

    def _load_seg_map(self, results: dict) -> None:
        """As mmseg's, which would cast 16 bits to 8."""
        mask = read_mask(results['seg_map_path'])
        reduced = self.reduce_zero_label
        if reduced is None:
            reduced = results['reduce_zero_label']
        if reduced:  # 1 becomes 0; 0, 255 are ignored
            mask = np.where(mask == IGNORED, mask, mask - np.uint8(1))
        label_map = results.get('label_map') or {}
        mapped = mask.copy() if label_map else mask
        for old, new in label_map.items():
            mapped[mask == old] = new
        results['gt_seg_map'] = mapped
        results['seg_fields'].append('gt_seg_map')
