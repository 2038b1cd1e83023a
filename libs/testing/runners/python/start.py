"""Starts the runner of a checkout with the plugins of this folder: start.py CHECKOUT.

The SDK loads plugins from its own tree only; ours are imported by hand instead, so that the
checkout stays as it is.
"""

import importlib
import os
import sys
from pkgutil import iter_modules

checkout = os.path.abspath(sys.argv[1])
plugins = os.path.join(os.path.dirname(os.path.abspath(__file__)), "plugins")
sys.path[:0] = [checkout, plugins]

from apisix.runner.server.config import Config  # noqa: E402
from apisix.runner.server.server import Server  # noqa: E402

for module in iter_modules([plugins]):
    importlib.import_module(module.name)

Server(Config(checkout)).receive()
