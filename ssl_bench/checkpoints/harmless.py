"""Types that honest files hold next to their tensors, and what replaces them.

None of them is imported or run: a name on these lists becomes an `Inert`, a
plain dict or a plain list.
"""

from collections import OrderedDict
from typing import Any


class Inert:
    """In place of an object of a class that a weights file may mention.

    It keeps what the pickle would have given to the class and runs nothing.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def ordered(*args: Any) -> OrderedDict[Any, Any]:
    """In place of a dict subclass made by a call, such as defaultdict."""
    return OrderedDict()


class InertList(list[Any]):
    """In place of a list-like class, such as deque."""

    def __init__(self, *args: Any) -> None:
        super().__init__()


# Classes that honest official files hold next to their tensors. None of them
# is imported or run: each becomes an `Inert` or a plain dict.
INERT = """
argparse.Namespace
numpy.core.multiarray.scalar numpy._core.multiarray.scalar
numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct
numpy.ndarray numpy.dtype
pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath
pathlib.PurePosixPath pathlib.PureWindowsPath pathlib._local.PosixPath
pathlib._local.WindowsPath
datetime.datetime datetime.date datetime.timedelta
mmengine.logging.history_buffer.HistoryBuffer
omegaconf.dictconfig.DictConfig omegaconf.listconfig.ListConfig
omegaconf.base.ContainerMetadata omegaconf.base.Metadata
omegaconf.nodes.AnyNode omegaconf.nodes.StringNode
omegaconf.nodes.IntegerNode omegaconf.nodes.FloatNode
omegaconf.nodes.BooleanNode typing.Any
builtins.list builtins.dict builtins.int builtins.float builtins.str
builtins.bool builtins.tuple builtins.getattr
types.SimpleNamespace functools.partial
torch.nn.modules.normalization.LayerNorm torch.nn.modules.activation.GELU
numpy.float32 numpy.float64 numpy.int64 numpy.random.__RandomState_ctor
numpy.dtypes.Float32DType numpy.dtypes.Float64DType numpy.dtypes.Int64DType
""".split()
DICTS = """
collections.defaultdict
mmengine.config.config.ConfigDict mmcv.utils.config.ConfigDict
vissl.utils.hydra_config.AttrDict
lightning_fabric.utilities.data.AttributeDict
lightning.fabric.utilities.data.AttributeDict
pytorch_lightning.utilities.parsing.AttributeDict
""".split()
# and those that a pickle makes without a call
NEW_DICTS = """
addict.addict.Dict easydict.EasyDict munch.Munch
yacs.config.CfgNode fvcore.common.config.CfgNode
detectron2.config.config.CfgNode
""".split()
