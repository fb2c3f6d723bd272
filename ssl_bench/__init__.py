"""Transfer-learning benchmark harness for self-supervised pretraining."""
import gc
import importlib
import importlib.abc
import importlib.machinery
import io
import sys
import warnings
from contextlib import redirect_stdout

__version__ = '0.1.0'


class _MmcvExtFinder(importlib.abc.MetaPathFinder):
    """Finds ``mmcv._ext`` in ``ssl_bench.compat`` if nothing else does.

    A compiled extension wins, whoever finds it. Torch is imported only when
    somebody imports the extension.
    """

    def find_spec(self, fullname, path=None, target=None):
        if fullname != 'mmcv._ext':
            return None
        for finder in sys.meta_path:
            find_spec = getattr(finder, 'find_spec', None)
            if find_spec is None or isinstance(finder, _MmcvExtFinder):
                continue
            spec = find_spec(fullname, path, target)
            if spec is not None:
                spec.loader = _CompiledExtLoader(spec.loader)
                return spec
        return importlib.machinery.ModuleSpec(
            fullname, _MmcvExtLoader(), origin='ssl_bench.compat.mmcv_ops')


class _MmcvExtLoader(importlib.abc.Loader):

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        from ssl_bench.compat import mmcv_ops
        mmcv_ops.fill(module)


class _CompiledExtLoader(importlib.abc.Loader):
    """Loads a compiled extension and says so when it does not fit torch.

    The toolkits catch the ImportError of an extension built for another
    torch and later claim that there is none.
    """

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        try:
            return self.loader.create_module(spec)
        except ImportError as error:
            from ssl_bench.errors import UserError
            raise UserError(
                f'the compiled mmcv extension {spec.origin} does not load: '
                f'{error}. Compile mmcv against the installed torch, or '
                'reinstall onedl-mmcv without its extension: ssl_bench then '
                'serves the operators from torchvision.') from error

    def exec_module(self, module):
        self.loader.exec_module(module)


if not any(isinstance(finder, _MmcvExtFinder) for finder in sys.meta_path):
    sys.meta_path.insert(0, _MmcvExtFinder())


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
                init_default_scope=False)
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
