"""Depth sets and their maps, listed and judged by the layouts."""

import numpy as np
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import LoadDepthAnnotation
from mmseg.registry import DATASETS, TRANSFORMS

from ssl_bench.errors import UserError
from ssl_bench.tasks.layouts.depth import DepthLayout, check_depth, read_depth
from ssl_bench.tasks.layouts.unusable import UnusableLabels
from ssl_bench.toolbox.load_images import note_skipped


@DATASETS.register_module()
class DepthPairs(BaseSegDataset):
    """Images and depth maps of a list in the form of BTS and AdaBins.

    Args:
        data_root (str): Paths of the list are below it.
        ann_file (str): The list.
        units, highest (float): As in `DepthLayout`; for its checks alone.
        **more: What else mmseg's sets take.
    """

    METAINFO: dict = dict(classes=(), palette=[])

    def __init__(
        self, units: float = 1000.0, highest: float = 10.0, **more
    ) -> None:
        self.units, self.highest = units, highest
        super().__init__(**more)

    @property
    def layout(self) -> DepthLayout:
        """What is on disk."""
        return DepthLayout(
            list_file=self.ann_file,
            folder=self.data_root,
            units=self.units,
            highest=self.highest,
        )

    def load_data_list(self) -> list[dict]:
        """Path of every image and of its depth map.

        Raises:
            UserError: The layout has a problem.
        """
        reading = self.layout.read(scored=self.test_mode)
        reading.refuse()
        self.notes = reading.notes
        return [
            dict(
                img_path=entry.image, depth_map_path=entry.depth, seg_fields=[]
            )
            for entry in reading.entries
        ]


@TRANSFORMS.register_module()
class ReadDepth(LoadDepthAnnotation):
    """mmseg's ``LoadDepthAnnotation``, for maps that are not as expected.

    In training, a map that does not decode, does not hold whole numbers of
    16 or 32 bits or does not have the size of its image is noted, and its
    image is skipped. In testing it stops the run.

    Args:
        skipped (str, optional): File that names of skipped maps are added
            to; None to stop at the first.
        **kwargs: Of ``LoadDepthAnnotation``.
    """

    def __init__(self, skipped: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.skipped = skipped

    def transform(self, results: dict) -> dict | None:
        """Read ``depth_map_path``, float32 metres; None if it was skipped.

        Raises:
            UserError: The map is unusable, and may not be skipped.
        """
        path = results['depth_map_path']
        try:
            depth = read_depth(path)
            check_depth(depth, results['ori_shape'])
        except UnusableLabels as fault:
            if self.skipped is None:
                raise UserError(
                    f'the depth map {path} {fault.text}. Fix it, or take its '
                    'line out of the list.'
                ) from fault
            note_skipped(self.skipped, path, fault.text)
            return None
        factor = self.depth_rescale_factor
        results['gt_depth_map'] = (depth * factor).astype(np.float32)
        results['depth_rescale_factor'] = factor
        results['seg_fields'].append('gt_depth_map')
        return results
