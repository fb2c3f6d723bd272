"""Data sets as they are on disk, one class for each form.

A layout lists the images of a training or test set, opens and checks them,
and names the problems. It imports no toolkit.
"""

from ssl_bench.tasks.layouts.base import Labelled, Layout, Reading
from ssl_bench.tasks.layouts.coco import CocoLayout, LvisLayout
from ssl_bench.tasks.layouts.depth import DepthLayout
from ssl_bench.tasks.layouts.folders import CorruptedLayout, FolderLayout
from ssl_bench.tasks.layouts.lines import Line, Note, Problem
from ssl_bench.tasks.layouts.lists import InatLayout, ListLayout
from ssl_bench.tasks.layouts.masks import MaskLayout, VocMaskLayout
from ssl_bench.tasks.layouts.paired_masks import PairedMaskLayout
from ssl_bench.tasks.layouts.spair import SpairLayout
from ssl_bench.tasks.layouts.voc import VocBoxLayout

# the names that a task's literal may use
LAYOUTS: dict[str, type[Layout]] = {
    'class_folders': FolderLayout,
    'corrupted_folders': CorruptedLayout,
    'image_list': ListLayout,
    'inaturalist': InatLayout,
    'voc_boxes': VocBoxLayout,
    'voc_masks': VocMaskLayout,
    'mask_folders': MaskLayout,
    'paired_masks': PairedMaskLayout,
    'depth_list': DepthLayout,
    'coco_instances': CocoLayout,
    'lvis': LvisLayout,
    'spair': SpairLayout,
}

__all__ = [
    'LAYOUTS',
    'CocoLayout',
    'CorruptedLayout',
    'DepthLayout',
    'FolderLayout',
    'InatLayout',
    'Labelled',
    'Layout',
    'Line',
    'ListLayout',
    'LvisLayout',
    'MaskLayout',
    'Note',
    'PairedMaskLayout',
    'Problem',
    'Reading',
    'SpairLayout',
    'VocBoxLayout',
    'VocMaskLayout',
]
