"""The methods, one file or folder each: importing this registers them all.

The package is scanned: a new file or folder needs no line here.
"""

import importlib
import pkgutil

from ssl_bench.errors import UserError, one_line

for module in pkgutil.iter_modules(__path__):
    try:
        importlib.import_module(f'{__name__}.{module.name}')
    except (ImportError, SyntaxError) as error:
        raise UserError(
            f'the method {module.name} in {__path__[0]} cannot be imported: '
            f'{one_line(error)}. Correct or remove it.'
        ) from error
