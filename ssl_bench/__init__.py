"""Transfer-learning benchmark harness for self-supervised pretraining."""

import gc
import importlib
import io
import warnings
from contextlib import redirect_stdout

from ssl_bench.compat import imports

__version__ = '0.1.0'

imports.install()


def register_all_modules() -> None:
    """Put every class of ours and of the toolkits into the registries.

    mmdet's, mmseg's and mmpretrain's classes are registered without touching
    the default scope: each config names its own.
    """
    printed = io.StringIO()
    with redirect_stdout(printed), warnings.catch_warnings():
        # an option that says so itself when it is asked for
        warnings.filterwarnings('ignore', message='faster_coco_eval')
        for toolkit in ('mmpretrain', 'mmdet', 'mmseg'):
            importlib.import_module(f'{toolkit}.utils').register_all_modules(
                init_default_scope=False
            )
    for line in printed.getvalue().splitlines():
        # their note on an optional dataset library, of no use to anyone here
        if 'Could not import OneDL' not in line:
            print(line)
    for station in ('methods', 'data.transforms', 'engine', 'transfer'):
        importlib.import_module(f'ssl_bench.{station}')
    # some million objects that stay; every data set of mmengine's collects
    # garbage when built, and would walk over them
    if not gc.get_freeze_count():
        gc.freeze()
