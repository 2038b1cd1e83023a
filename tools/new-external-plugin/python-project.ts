import { pascalCase, snakeCase, type Project, type ProjectNaming } from './project.ts';

/** On apache/apisix-python-plugin-runner. */
export function pythonProject({ name, hasCheckPlugin }: ProjectNaming): Project {
  return {
    files: {
      'requirements.txt': REQUIREMENTS,
      'start.py': START,
      'conf/config.yaml': CONFIG,
      'plugins/__init__.py': '',
      [`plugins/${snakeCase(name)}.py`]: plugin(name),
      '.gitignore': '.venv/\n__pycache__/\n',
      ...(hasCheckPlugin ? { 'plugins/polygate_check.py': CHECK_PLUGIN } : {}),
    },
    build: [
      'python3 -m venv .venv',
      '.venv/bin/pip install -r requirements.txt',
      `.venv/bin/pip install --no-deps "apache-apisix @ ${RUNNER}"`,
    ],
    command: ['{dir}/.venv/bin/python', '{dir}/start.py'],
  };
}

const RUNNER = 'git+https://github.com/apache/apisix-python-plugin-runner@0.2.0';

const REQUIREMENTS = `# What the runner needs. Its own list has versions that newer
# Pythons cannot build, so it is installed by itself, with --no-deps.
a6pluginprotos==0.2.1
minicache==0.0.1
PyYAML==6.0.3
`;

const CONFIG = `socket:
  file: $env.APISIX_LISTEN_ADDRESS
logging:
  level: warn
`;

const START = `"""Starts the runner with the plugins of this project.

The runner's own start command loads plugins from its own tree only. APISIX_PYTHON_RUNNER may name
a checkout of apache/apisix-python-plugin-runner to use in place of the installed package.
"""

import importlib
import os
import signal
import sys
from pkgutil import iter_modules

HERE = os.path.dirname(os.path.abspath(__file__))
CHECKOUT = os.environ.get("APISIX_PYTHON_RUNNER")
sys.path[:0] = [path for path in (CHECKOUT, HERE) if path]

from apisix.runner.server.config import Config  # noqa: E402
from apisix.runner.server.server import Server  # noqa: E402

import plugins  # noqa: E402

for module in iter_modules(plugins.__path__):
    importlib.import_module("plugins." + module.name)

# Python ends on SIGTERM without cleaning up; this way the runner removes its socket.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
Server(Config(HERE)).receive()
`;

const plugin = (
  name: string,
) => `"""Lets through what has a certain header, and says so to the upstream."""

import json
from typing import Any

from apisix.runner.http.request import Request
from apisix.runner.http.response import Response
from apisix.runner.plugin.core import PluginBase


class ${pascalCase(name)}Plugin(PluginBase):
    def name(self) -> str:
        """What a route's conf calls this plugin."""
        return "${name}"

    def config(self, conf: Any) -> Any:
        """Runs with every request, as the runner has it."""
        try:
            parsed = json.loads(conf)
            status = int(parsed.get("status", 401))
            return {"header": str(parsed["header"]).lower(), "status": status}
        except (ValueError, KeyError, TypeError, AttributeError):
            # The runner takes an exception for "go on"; filter refuses instead.
            return None

    def filter(self, conf: Any, request: Request, response: Response) -> None:
        if conf is None:
            response.set_status_code(503)
            return
        if not request.get_header(conf["header"]):
            response.set_status_code(conf["status"])
            response.set_body("no %s\\n" % conf["header"])
            return
        request.set_header("X-Checked-By", "${name}")
`;

const CHECK_PLUGIN = `"""Does what tools/runner-check tells it. Not for production."""

import hashlib
import json
import time
from typing import Any

from apisix.runner.http.request import Request
from apisix.runner.http.response import Response
from apisix.runner.plugin.core import PluginBase


class PolygateCheck(PluginBase):
    def name(self) -> str:
        return "polygate-check"

    def config(self, conf: Any) -> Any:
        return json.loads(conf)

    def filter(self, conf: Any, request: Request, response: Response) -> None:
        told = conf["do"]
        if told == "stop":
            response.set_status_code(403)
            response.set_header("X-Check", "stopped")
            response.set_body("stopped")
        elif told == "rewrite":
            request.set_uri("/checked")
            request.set_header("X-Check", "rewritten")
            request.set_arg("check", "1")
        elif told == "variable":
            request.set_header("X-Check", request.get_var("check_variable") or "absent")
        elif told == "body":
            # The runner hands out one character a byte.
            body = request.get_body().encode("latin-1")
            request.set_header("X-Check-Bytes", str(len(body)))
            request.set_header("X-Check-Sha256", hashlib.sha256(body).hexdigest())
        elif told == "answer":
            response.set_status_code(200)
            response.set_body("x" * conf["bytes"])
        elif told == "throw":
            raise RuntimeError("as it was told")
        elif told == "sleep":
            time.sleep(conf["ms"] / 1000)
`;
