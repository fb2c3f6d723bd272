"""Images and labels of a user's own, in place of a task's data set.

Four kinds: annotation files of COCO, XML files of VOC, masks in PNG files,
and one folder for each class. Classes are read from the labels.
"""

from ssl_bench.tasks.own.data import OwnData, OwnSplit
from ssl_bench.tasks.own.read import read_own_data

__all__ = ['OwnData', 'OwnSplit', 'read_own_data']
