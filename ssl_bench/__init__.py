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
    # the imports make a million objects that stay: do not search them for
    # garbage, now or later
    collects = gc.isenabled()
    gc.disable()
    try:
        _register()
    finally:
        if collects:
            gc.enable()
    if not gc.get_freeze_count():
        gc.freeze()


def _register() -> None:
    printed = io.StringIO()
    with redirect_stdout(printed), warnings.catch_warnings():
        # an optional package; who asks for it is told that it is missing
        warnings.filterwarnings('ignore', message='faster_coco_eval')
        for toolkit in ('mmpretrain', 'mmdet', 'mmseg'):
            importlib.import_module(f'{toolkit}.utils').register_all_modules(
                init_default_scope=False
            )
    for line in printed.getvalue().splitlines():
        # their note about an optional dataset library that is not used here
        if 'Could not import OneDL' not in line:
            print(line)
    for part in ('methods', 'data.transforms', 'engine', 'transfer'):
        importlib.import_module(f'ssl_bench.{part}')
