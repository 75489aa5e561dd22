"""Wall time of commands from a cold process: minimum, median and maximum of several runs."""

import os
import statistics
import subprocess
import time

RUNS = 9
LOAD = (
    "import bertspec; model = bertspec.load('models/sentiment/export'); "
    "print(next(model.predict(['a quiet triumph'])))"
)
COMMANDS = {
    "bertspec --help": ["bertspec", "--help"],
    "bertspec validate specs": ["bertspec", "validate", "specs"],
    "bertspec compile": ["bertspec", "compile"],
    "bertspec predict (built demo)": ["bertspec", "predict", "sentiment", "a quiet triumph"],
    "bertspec.load (built demo)": ["python", "-c", LOAD],
    "peer: dvc --help": ["dvc", "--help"],
    "peer: python -c 'import transformers'": ["python", "-c", "import transformers"],
}


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode
    print(f"{'seconds':38} {'min':>7} {'median':>7} {'max':>7}")
    for name, command in COMMANDS.items():
        times = []
        for _ in range(RUNS):
            start = time.perf_counter()
            result = subprocess.run(command, capture_output=True, check=False)
            times.append(time.perf_counter() - start)
        note = "" if result.returncode == 0 else f"  (exit code {result.returncode})"
        print(
            f"{name:38} {min(times):7.3f} {statistics.median(times):7.3f} {max(times):7.3f}{note}"
        )


if __name__ == "__main__":
    main()
