"""What the toolkits' imports need with current packages.

Three things are done when somebody imports the toolkits: mmcv's compiled
operators are served from torchvision if they are not installed, mmpretrain's
multimodal models are left out, and large packages that few of their classes
use are imported later (`ssl_bench.compat.deferred`). Nothing here imports
torch.
"""

import importlib.abc
import importlib.machinery
import sys
from importlib.machinery import SourceFileLoader

from ssl_bench.compat import deferred

OPERATORS = 'mmcv._ext'
DEPENDENCY = 'mmpretrain.utils.dependency'
LEFT_OUT = (
    "mmpretrain's multimodal models are left out: no method or task "
    'uses them, and they cannot be imported with transformers 5'
)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds what other finders find, and changes how it is loaded."""

    def find_spec(self, fullname, path=None, target=None):
        waits = fullname in deferred.WAITING or fullname in deferred.TOO_NEW
        if not waits and fullname not in (OPERATORS, DEPENDENCY):
            return None
        spec = self._found_by_others(fullname, path, target)
        if waits:
            # not a module from a zip file or of an instrumented import
            if spec is not None and type(spec.loader) is SourceFileLoader:
                spec.loader = deferred.Loader(fullname, spec.loader.path)
            return spec
        if fullname == DEPENDENCY:
            if spec is not None:
                spec.loader = _WithoutMultimodal(spec.loader)
            return spec
        if spec is not None:
            spec.loader = _CompiledExtLoader(spec.loader)
            return spec
        return importlib.machinery.ModuleSpec(
            fullname, _StandInLoader(), origin='ssl_bench.compat.mmcv_ops'
        )

    @staticmethod
    def _found_by_others(fullname, path, target):
        for finder in sys.meta_path:
            find_spec = getattr(finder, 'find_spec', None)
            if find_spec is None or isinstance(finder, _Finder):
                continue
            spec = find_spec(fullname, path, target)
            if spec is not None:
                return spec
        return None


class _StandInLoader(importlib.abc.Loader):
    """Fills ``mmcv._ext`` with functions that call torchvision's operators."""

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        from ssl_bench.compat import mmcv_ops

        mmcv_ops.fill(module)


class _Around(importlib.abc.Loader):
    """Another loader, with a change before or after it."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)


class _CompiledExtLoader(_Around):
    """Loads a compiled extension; an error says if it does not fit torch.

    The toolkits catch the ImportError of an extension that was built for
    another torch, and later report that there is no extension.
    """

    def create_module(self, spec):
        try:
            return super().create_module(spec)
        except ImportError as error:
            from ssl_bench.errors import UserError

            raise UserError(
                f'the compiled mmcv extension {spec.origin} does not load: '
                f'{error}. Compile mmcv against the installed torch, or '
                'reinstall onedl-mmcv without its extension: ssl_bench then '
                'takes the operators from torchvision.'
            ) from error


class _WithoutMultimodal(_Around):
    """Tells mmpretrain that packages of its multimodal models are missing.

    These models subclass names that transformers 5 no longer has; with it
    installed, no part of mmpretrain could be imported. mmpretrain then
    registers placeholders, which raise an error when they are built.
    """

    def exec_module(self, module):
        super().exec_module(module)
        module.WITH_MULTIMODAL = False


def install() -> None:
    """Put the finder in front of the others, once.

    A part of mmpretrain that somebody imported before has already decided on
    its multimodal models; that is changed here.
    """
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    if DEPENDENCY in sys.modules:
        vars(sys.modules[DEPENDENCY])['WITH_MULTIMODAL'] = False
