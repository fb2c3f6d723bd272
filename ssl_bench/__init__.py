"""Transfer-learning benchmark harness for self-supervised pretraining."""
import importlib
import importlib.abc
import importlib.machinery
import io
import sys
from contextlib import redirect_stdout

__version__ = '0.1.0'


class _MmcvExtFinder(importlib.abc.MetaPathFinder):
    """Finds ``mmcv._ext`` in ``ssl_bench.compat`` if nothing else does.

    It stands last on ``sys.meta_path``, so a compiled extension wins, and it
    imports torch only when somebody asks for the extension.
    """

    def find_spec(self, fullname, path=None, target=None):
        if fullname != 'mmcv._ext':
            return None
        return importlib.machinery.ModuleSpec(
            fullname, _MmcvExtLoader(), origin='ssl_bench.compat.mmcv_ops')


class _MmcvExtLoader(importlib.abc.Loader):

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        from ssl_bench.compat import mmcv_ops
        mmcv_ops.fill(module)


if not any(isinstance(finder, _MmcvExtFinder) for finder in sys.meta_path):
    sys.meta_path.append(_MmcvExtFinder())


def register_all_modules() -> None:
    """Put every class of ours and of the toolkits into the registries.

    mmdet's, mmseg's and mmpretrain's classes are registered without touching
    the default scope: each config names its own.
    """
    printed = io.StringIO()
    with redirect_stdout(printed):
        for toolkit in ('mmpretrain', 'mmdet', 'mmseg'):
            importlib.import_module(f'{toolkit}.utils').register_all_modules(
                init_default_scope=False)
    for line in printed.getvalue().splitlines():
        # their note on an optional dataset library, of no use to anyone here
        if 'Could not import OneDL' not in line:
            print(line)
    for station in ('methods', 'data.transforms', 'engine', 'transfer'):
        importlib.import_module(f'ssl_bench.{station}')
