"""Distillation losses as registered modules.

Each file of this folder is imported here, so that a loss is registered, and
can be imported from here, because its file is there.
"""

import importlib
import pkgutil

__all__: list[str] = []

for _file in pkgutil.iter_modules(__path__):
    _module = importlib.import_module(f'{__name__}.{_file.name}')
    for _name in getattr(_module, '__all__', ()):
        globals()[_name] = getattr(_module, _name)
        __all__ += [_name]
