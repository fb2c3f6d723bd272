"""What the fork server imports before the first fork.

Next to the toolkits: what every run imports later, in each process, and
what starts no thread, which a fork would not have.
"""

import importlib

from ssl_bench import register_all_modules

LATER = (
    'torch._dynamo',  # by the first optimizer
    'matplotlib.pyplot',  # by mmengine's visualizer
    'ssl_bench.data.photometric.kernels',  # by views
)

register_all_modules()
for name in LATER:
    importlib.import_module(name)
