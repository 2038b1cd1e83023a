"""A plugin for tests on the SDK of apache/apisix-python-plugin-runner."""

import hashlib
import json
import os
import signal
import time
from typing import Any

from apisix.runner.http.request import Request
from apisix.runner.http.response import Response
from apisix.runner.plugin.core import PluginBase


class RewriteDemo(PluginBase):
    """Does what its conf (JSON) says; what is left out is not done."""

    def name(self) -> str:
        return "rewrite-demo"

    def config(self, conf: Any) -> Any:
        return json.loads(conf)

    def filter(self, conf: Any, request: Request, response: Response) -> None:
        time.sleep(conf.get("sleep_ms", 0) / 1000)
        if conf.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if conf.get("raise"):
            raise RuntimeError(conf["raise"])
        if conf.get("stop_status"):
            for name, value in conf.get("stop_headers", {}).items():
                response.set_header(name, value)
            length = conf.get("stop_bytes", 0)
            response.set_body("x" * length if length > 0 else conf.get("stop_body", ""))
            response.set_status_code(conf["stop_status"])
            return
        for name in conf.get("vars", []):
            request.set_header("X-Var-" + name, request.get_var(name))
        if conf.get("digest_body"):
            # the SDK hands out one character a byte
            body = request.get_body().encode("latin-1")
            request.set_header("X-Body-Bytes", str(len(body)))
            request.set_header("X-Body-Sha256", hashlib.sha256(body).hexdigest())
        if conf.get("echo_header"):
            request.set_header("X-Echo", request.get_header(conf["echo_header"].lower()))
        # an empty value, "delete" in the other runners, changes nothing here
        for name, value in conf.get("set_headers", {}).items():
            request.set_header(name, value)
        for name, value in conf.get("set_args", {}).items():
            request.set_arg(name, value)
        if conf.get("path"):
            request.set_uri(conf["path"])


class SecondDemo(RewriteDemo):
    """The same under a name of its own."""

    def name(self) -> str:
        return "second-demo"
