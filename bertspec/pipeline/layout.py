"""Where artifacts are, relative to the project."""

LOCK_FILE = "bertspec.lock"
DVC_FILE = "dvc.yaml"
PARAMS_FILE = "params.yaml"
DVC_LOCK = "dvc.lock"
COMMAND = "bertspec stage "
"""A stage is ours when its command is this and its own name; so a reader can tell, too."""

WORK_FOLDER = ".bertspec"
"""Git-ignored: outputs while a stage writes them."""


def raw(dataset: str) -> str:
    return f"data/{dataset}/raw"


def prepared(dataset: str) -> str:
    return f"data/{dataset}/prepared"


def contract(dataset: str) -> str:
    return f"data/{dataset}/contract"


def verdict(dataset: str) -> str:
    return f"data/{dataset}/contract-verdict.txt"


def tokenized(dataset: str, key: str) -> str:
    return f"data/{dataset}/tokenized/{key}"


def base(name: str) -> str:
    return f"models/bases/{name}"


def trained(spec: str) -> str:
    return f"models/{spec}/trained"


def evaluation(spec: str) -> str:
    return f"models/{spec}/evaluation"


def export(spec: str) -> str:
    return f"models/{spec}/export"


def metrics(spec: str) -> str:
    return f"models/{spec}/metrics.json"


def decision(spec: str) -> str:
    return f"models/{spec}/decision.json"


def parity(spec: str) -> str:
    return f"models/{spec}/parity.json"


def curve(spec: str, name: str) -> str:
    """In DVC's cache, where `plot` is in git: see `CURVES`."""
    return f"models/{spec}/curves/{name}.csv"


CURVES = ("loss", "learning_rate", "validation")
"""Of a training. Evaluate copies them to plots: what DVC does not keep in its cache cannot be had
from a remote's run cache, and then the whole stage runs again, which training must not.
"""


def plot(spec: str, name: str) -> str:
    return f"models/{spec}/plots/{name}.csv"


def report(spec: str) -> str:
    return f"models/{spec}/report.html"


def seeds(spec: str) -> str:
    return f"models/{spec}/seeds.json"


def of_seed(path: str, spec: str, seed: int | str) -> str:
    """Where a further seed has what a spec's own model has at `path`; other paths as they are."""
    own = f"models/{spec}/"
    return f"{own}seeds/{seed}/{path.removeprefix(own)}" if path.startswith(own) else path


RESERVED_NAMES = ("bases", "bertspec", "datasets", "tokenizations")
"""Names that no spec may have: they are folders or top-level keys of their own."""
