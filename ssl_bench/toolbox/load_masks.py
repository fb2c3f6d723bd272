"""Segmentation masks as they come: some do not decode, some know more."""

from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from ssl_bench.errors import UserError
from ssl_bench.tasks.annotation_rules import mask_fault
from ssl_bench.toolbox.load_images import note_skipped


@TRANSFORMS.register_module()
class ReadMask(LoadAnnotations):
    """mmseg's ``LoadAnnotations``, for masks that are not as expected.

    A mask that does not decode, has not the size of its image, or has a
    label that the network does not know is noted and its image skipped in
    training; mmseg stops in the middle of an epoch. In testing it stops the
    run.

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
            UserError: The mask is of no use, and may not be skipped.
        """
        path = results['seg_map_path']
        try:
            results = super().transform(results)
            fault = mask_fault(
                results['gt_seg_map'], results['ori_shape'], self.classes
            )
        except (OSError, ValueError, SyntaxError) as error:
            fault = f'cannot be read: {error}'
        if fault is None:
            return results
        if self.skipped is None:
            raise UserError(
                f'the mask {path} {fault}. Mend it, or take its '
                'image out of the list.'
            )
        note_skipped(self.skipped, path, fault)
        return None
