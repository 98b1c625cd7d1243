"""A shell in which ``headbench`` starts at once.

A page types dozens of commands, and importing torch takes seconds each time. So one process imports
everything once and then forks a child per command; ``headbench`` on the shell's path is a script of
a few lines that hands its arguments, environment, folder and open files to that process. What runs
is the same ``main`` as always, in a process of its own.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOCKET = "HEADBENCH_TYPED_SOCKET"
ROOT = Path(__file__).resolve().parents[3]
CLIENT = f"""#!{sys.executable} -SE
import json, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(os.environ["{SOCKET}"])
socket.send_fds(line, [b"x"], [0, 1, 2])
asked = {{"argv": sys.argv, "folder": os.getcwd(), "environment": dict(os.environ)}}
line.sendall(json.dumps(asked).encode())
line.shutdown(socket.SHUT_WR)
sys.exit(int(line.recv(16) or b"70"))
"""
PYTHON = "typed-python"
"""Runs a script in a child of the same process."""
LONGEST = 600
"""Seconds that one block may take."""
UNSET = ("HEADBENCH_DATA", "HEADBENCH_REAL_MODELS", "PYTEST_CURRENT_TEST")
"""What a test's environment says and a user's does not."""


@dataclass(frozen=True)
class Printed:
    """What a command left behind.

    Attributes:
        status: Its exit status.
        out: Its standard output.
        err: Its standard error.
    """

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Session:
    """A running process that commands are forked from.

    Attributes:
        folder: Its own folder: the socket, and the scripts that stand on the path.
    """

    folder: Path

    def bash(self, text: str, folder: Path, width: int = 80) -> Printed:
        """Run a text in bash, which stops at the first command that fails."""
        return self._run(["bash", "-euxo", "pipefail", "-c", text], folder, width)

    def python(self, script: Path, folder: Path) -> Printed:
        """Run a script."""
        return self._run([PYTHON, str(script)], folder, 80)

    def _run(self, words: list[str], folder: Path, width: int) -> Printed:
        environment = {key: value for key, value in os.environ.items() if key not in UNSET}
        environment |= {
            SOCKET: str(self.folder / "socket"),
            "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": str(width),
            "NO_COLOR": "1",
            "HF_HUB_OFFLINE": "1",
            "PS4": "$ ",
        }
        done = subprocess.run(  # noqa: S603 - the commands stand in our own pages
            [str(self.folder / words[0]) if words[0] == PYTHON else words[0], *words[1:]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        return Printed(done.returncode, done.stdout, done.stderr)


@contextmanager
def session(folder: Path) -> Iterator[Session]:
    """Start the process, and end it with all that it forked.

    Args:
        folder: An empty folder with a short path, for the socket.

    Raises:
        RuntimeError: It does not start.
    """
    for name in ("headbench", PYTHON):
        (folder / name).write_text(CLIENT)
        (folder / name).chmod(0o755)
    started = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "training.pages.typed.session", str(folder / "socket")],
        cwd=ROOT,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + LONGEST
        while not (folder / "socket").exists():
            if started.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the process that commands are forked from did not start")
            time.sleep(0.05)
        yield Session(folder)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def serve(path: str) -> None:
    """Fork a child per connection, for ever."""
    import torch  # noqa: F401 - children find it imported
    import transformers.models.llama.modeling_llama
    import transformers.models.llava.modeling_llava  # noqa: F401

    import headbench.cli.run
    import headbench.models.hf.load
    import headbench.reference.reference_adapter
    import headbench.running.execute  # noqa: F401

    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"{path}.tmp")
    listening.listen()
    Path(f"{path}.tmp").rename(path)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        line, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _child(line)
        line.close()


def _child(line: socket.socket) -> None:
    """Become the command that a client asked for; never returns."""
    _, files, _, _ = socket.recv_fds(line, 1, 3)
    asked = json.loads(b"".join(iter(lambda: line.recv(1 << 16), b"")))
    for number, file in enumerate(files):
        os.dup2(file, number)
    sys.stdin, sys.stdout, sys.stderr = (
        open(n, mode, closefd=False)  # noqa: SIM115 - open until the process ends
        for n, mode in ((0, "r"), (1, "w"), (2, "w"))
    )
    status: int = 1
    try:
        status = _command(asked)
    except BaseException:  # the interpreter's own last line: print the trace, exit with 1
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(str(status).encode())
        line.close()
        os._exit(status)


def _command(asked: Mapping[str, Any]) -> int:
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    name, *words = asked["argv"]
    try:
        if Path(name).name == PYTHON:
            sys.argv = words
            sys.path.insert(0, str(Path(words[0]).parent))
            runpy.run_path(words[0], run_name="__main__")
        else:
            from headbench.cli import main

            sys.argv = [name, *words]
            sys.modules["__main__"].__package__ = ""  # usage lines then name the script
            main()
    except SystemExit as done:
        if done.code is None or isinstance(done.code, int):
            return done.code or 0
        print(done.code, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    serve(sys.argv[1])
