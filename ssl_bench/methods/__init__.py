"""The methods, one file or folder each: importing this registers them all.

The package is scanned: a new file or folder needs no line here.
"""

import importlib
import pkgutil

for module in pkgutil.iter_modules(__path__):
    importlib.import_module(f'{__name__}.{module.name}')
