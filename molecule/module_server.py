"""Runs modules of the collection, each in a process forked from this one, which has imported all of them.

A process of its own for each would take ten times the CPU time. What it is asked for, and what came of it, is a line of
JSON on the Unix socket that the command line names.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from contextlib import redirect_stdout
from importlib import import_module
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from socketserver import ForkingMixIn, StreamRequestHandler, UnixStreamServer

COLLECTIONS = Path(__file__).resolve().parent.parent / "build" / "collections"
PLUGINS = COLLECTIONS / "ansible_collections" / "progressive" / "istio" / "plugins"
PARENT = os.getppid()


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(COLLECTIONS).with_suffix("").parts)


class Call(StreamRequestHandler):
    def handle(self) -> None:
        call = json.loads(self.rfile.readline())
        os.environ.clear()
        os.environ.update(call["environment"])
        sys.argv[1:] = []
        sys.stdin = TextIOWrapper(BytesIO(json.dumps(call["arguments"]).encode()))
        printed, error = StringIO(), ""
        try:
            if call["fault"]:
                import_module("fault").hurt(*call["fault"])
            with redirect_stdout(printed):
                import_module(name_of(PLUGINS / "modules" / call["name"])).main()
        except SystemExit:
            pass
        except BaseException:
            error = traceback.format_exc()
        self.wfile.write(json.dumps([printed.getvalue(), error]).encode())


class Server(ForkingMixIn, UnixStreamServer):
    request_queue_size = 50

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != PARENT:
            sys.exit()


if __name__ == "__main__":
    for file in (*PLUGINS.glob("modules/*.py"), *PLUGINS.glob("module_utils/*/*.py")):
        import_module(name_of(file))
    with Server(sys.argv[1], Call) as server:
        print("ready", flush=True)
        server.serve_forever()
