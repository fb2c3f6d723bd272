"""Imports of large packages that wait until somebody uses what they name.

The toolkits import packages at module level for classes that a run rarely
builds: scikit-learn for one tracker, matplotlib for one drawing function.
Together they take longer to import than the toolkits. `WAITING` lists such
modules. While one of them is imported, it gets stand-ins for the names that
it takes from the packages listed; a stand-in imports the real thing when it
is first called, or asked for an attribute. Every other module, and every
user, imports the real packages as always.
"""

import builtins
import importlib
import importlib.util
import inspect
import sys
import types
from collections.abc import Sequence
from importlib import metadata
from importlib.machinery import SourceFileLoader
from typing import Any

#: Packages or modules that a module imports, and uses in functions only.
WAITING: dict[str, tuple[str, ...]] = {
    'lvis.vis': ('matplotlib',),
    'mmdet.datasets.transforms.generate_line': ('imgaug', 'scipy'),
    'mmdet.datasets.transforms.processors': ('skimage',),
    'mmdet.datasets.transforms.text_transformers': ('transformers',),
    'mmdet.datasets.transforms.transforms': ('imagecorruptions',),
    'mmdet.evaluation.metrics.crowdhuman_metric': ('scipy',),
    'mmdet.evaluation.metrics.culane_metric': ('scipy', 'shapely'),
    'mmdet.models.data_preprocessors.data_preprocessor': ('skimage',),
    'mmdet.models.dense_heads.atss_vlfusion_head': ('transformers',),
    'mmdet.models.dense_heads.clr_head.clr_head': ('matplotlib',),
    'mmdet.models.dense_heads.clr_head.lane': ('scipy',),
    'mmdet.models.dense_heads.paa_head': ('sklearn',),
    'mmdet.models.language_models.bert': ('transformers',),
    'mmdet.models.task_modules.assigners.hungarian_assigner': ('scipy',),
    'mmdet.models.task_modules.assigners.topk_hungarian_assigner': ('scipy',),
    'mmdet.models.task_modules.tracking.aflink': ('scipy',),
    'mmdet.models.task_modules.tracking.interpolation': ('sklearn',),
    'mmdet.models.task_modules.tracking.kalman_filter': ('scipy',),
    'mmdet.models.trackers.sort_tracker': ('scipy',),
    'mmdet.structures.mask.structures': ('shapely',),
    'mmdet.utils.mot_error_visualize': ('matplotlib',),
    'mmdet.visualization.local_visualizer': ('matplotlib',),
    'mmengine.optim.optimizer.builder': ('transformers',),
    'mmseg.datasets.transforms.transforms': ('scipy',),
    'mmseg.models.assigners.hungarian_assigner': ('scipy',),
    'mmseg.models.backbones.beit': ('scipy',),
    'mmseg.models.backbones.timm_backbone': ('timm',),
    'mmseg.models.losses.huasdorff_distance_loss': ('scipy',),
    'mmseg.models.text_encoder.clip_text_encoder': ('mmseg.utils.tokenizer',),
    'mmseg.utils': ('mmseg.utils.tokenizer',),
    'torchvision.ops.roi_align': ('torch._dynamo',),
}
#: Packages without which a module works, too, and the first version of each
#: that lacks a name which the module asks for: the import would load much of
#: the package and then fail.
TOO_NEW = {'mmdet.models.utils.vlfuse_helper': ('transformers', 5)}


class Name(type):
    """What `Deferred` makes: a class in the place of a function or class.

    It is a class because registries take nothing else.
    """

    _package: str
    _found: Any

    def __new__(mcs, name, bases, body, **options):
        """Somebody subclasses a stand-in: use the real class."""
        real = tuple(
            base.real() if isinstance(base, mcs) else base for base in bases
        )
        return types.new_class(name, real, options, lambda b: b.update(body))

    def real(cls) -> Any:
        """The real thing, imported now if it was not before."""
        if cls._found is None:
            cls._found = _imported(cls._package, cls.__name__)
        return cls._found

    def __call__(cls, *args, **kwargs):
        return cls.real()(*args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.real(), name)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.real())

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, cls.real())

    @property
    def __signature__(cls) -> inspect.Signature:
        return inspect.signature(cls.real())


def deferred(package: str, name: str) -> Name:
    """A stand-in for ``from package import name``."""
    body = dict(__module__=package, _package=package, _found=None)
    return type.__new__(Name, name, (), body)


class Module(types.ModuleType):
    """A stand-in for ``import package``: attributes are the real ones."""

    def __getattr__(self, name: str) -> Any:
        return _imported(self.__name__, name)


def _imported(package: str, name: str) -> Any:
    module = importlib.import_module(package)
    try:
        return getattr(module, name)
    except AttributeError:
        if importlib.util.find_spec(f'{package}.{name}') is None:
            raise ImportError(
                f'cannot import name {name!r} from {package!r}'
            ) from None
    return importlib.import_module(f'{package}.{name}')


def _module(name: str) -> Module:
    """What ``import name`` binds: the first package of a dotted name."""
    root, *rest = name.split('.')
    top = module = Module(root)
    for part in rest:
        child = Module(f'{module.__name__}.{part}')
        setattr(module, part, child)
        module = child
    return top


class Loader(SourceFileLoader):
    """Runs a module of `WAITING` or `TOO_NEW` with an import of its own.

    The module's code looks up ``__import__`` in the builtins of the module,
    so nothing else in the process sees a stand-in.
    """

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the module's code; its functions then import as always."""
        own = dict(vars(builtins))
        own['__import__'] = self._import
        self.package = module.__spec__.parent if module.__spec__ else ''
        vars(module)['__builtins__'] = own
        try:
            super().exec_module(module)
        finally:
            own['__import__'] = builtins.__import__

    def _import(
        self,
        name: str,
        globals: dict | None = None,
        locals: dict | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        full = importlib.util.resolve_name('.' * level + name, self.package)
        package, version = TOO_NEW.get(self.name, ('', 0))
        if full.split('.')[0] == package and _version(package) >= version:
            raise ImportError(f'{package} {version} lacks names of {name}')
        if not fromlist:
            if self._waits(full):
                return _module(full)
            return builtins.__import__(name, globals, locals, (), level)
        found = {
            word: deferred(full, word)
            for word in fromlist
            if self._waits(f'{full}.{word}')
        }
        rest = tuple(word for word in fromlist if word not in found)
        if not found:
            return builtins.__import__(name, globals, locals, rest, level)
        if rest:
            module = builtins.__import__(name, globals, locals, rest, level)
            found.update({word: getattr(module, word) for word in rest})
        return types.SimpleNamespace(**found)

    def _waits(self, name: str) -> bool:
        """Whether to defer the import of a name: installed, not imported."""
        return any(
            f'{name}.'.startswith(f'{package}.')
            and package not in sys.modules
            and _is_installed(package.split('.')[0])
            for package in WAITING.get(self.name, ())
        )


def _is_installed(package: str) -> bool:
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None


def _version(package: str) -> int:
    """First number of the installed version, 0 if there is none."""
    try:
        return int(metadata.version(package).split('.')[0])
    except metadata.PackageNotFoundError:
        return 0
