"""`bertspec` and `dvc` of a test's commands run in forks of a process that has imported what they
need: a process for each, as for a user, in the time of a fork.

Not for what is about the start of a process, such as its imports or its locale, nor for what is
killed: a signal reaches the program that waits here, and not the fork.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("bertspec", "dvc")
MODULE = "bertspec-module"
"""Takes the place of `sys.executable`, where that is started with a module of ours."""

_CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    about = [{program!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]
    socket.send_fds(server, [b"."], [0, 1, 2])
    server.sendall(json.dumps(about).encode() + b"\\n")
    code = int(server.makefile().readline())
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""

_SERVER = """
import gc, json, os, signal, socket, sys, threading
from importlib import import_module
server = socket.socket(socket.AF_UNIX)
for module in ("pandas", "pyarrow.parquet", "safetensors.torch", "sklearn.metrics", "onnx",
               "onnxruntime", "onnxscript.function_libs.torch_lib.ops", "sympy.tensor.tensor",
               "torch.onnx", "torch.export._trace", "cyclonedx.model.bom",
               "transformers.models.bert.modeling_bert", "bertspec.cli.stage",
               "dvc.cli", "dvc.repo", "dvc.commands.repro",
               "dvc.commands.experiments.run", "dvc.commands.data_sync", "dvc.dvcfile",
               *(f"bertspec.runtime.{stage}" for stage in (
                   "stage", "fetch", "prepare", "contract", "base", "tokenize", "train",
                   "evaluate", "export", "report"))):
    import_module(module)

def run(program, arguments):
    sys.argv = [program, *arguments]
    if program == "dvc":
        return import_module("dvc.cli").main(arguments)
    if program == "bertspec-module":
        return import_module(arguments[-1]).main()
    import_module("bertspec.cli").main(arguments)

def command(asked):
    _, files, _, _ = socket.recv_fds(asked, 1, 3)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    program, arguments, folder, environment = json.loads(asked.makefile().readline())
    asked.close()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        code = run(program, arguments)
    except SystemExit as end:
        code = end.code
    for stream in (sys.stdout, sys.stderr):
        if stream:
            stream.flush()
    os._exit(code or 0)  # to take torch down takes longer than all else

server.bind(sys.argv[1])
server.listen()
gc.freeze()  # so that a fork does not write to all that it shares
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass

def end_with_the_tests():
    while os.read(0, 1):  # it ends when they do, however that is
        pass
    os._exit(0)

signal.signal(signal.SIGCHLD, reap)
threading.Thread(target=end_with_the_tests, daemon=True).start()
print("ready", flush=True)
while True:
    asked, _ = server.accept()
    if not os.fork():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if not (pid := os.fork()):
            command(asked)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        try:
            asked.sendall(f"{code}\\n".encode())
        finally:  # who asked may be gone
            os._exit(0)
    asked.close()
"""


@contextmanager
def preloaded(folder: Path) -> Iterator[Path]:
    """A folder of programs for PATH, while the process that forks runs."""
    address = str(folder / "asked")
    programs = folder / "programs"
    programs.mkdir()
    for program in (*PROGRAMS, MODULE):
        file = programs / program
        file.write_text(_CLIENT.format(python=sys.executable, address=address, program=program))
        file.chmod(0o755)
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", _SERVER, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True, env=environment, start_new_session=True,
    ) as server:  # fmt: skip
        try:
            assert server.stdout
            assert server.stdout.readline() == "ready\n"
            yield programs
        finally:  # else leaving the block waits for it for ever
            server.kill()
