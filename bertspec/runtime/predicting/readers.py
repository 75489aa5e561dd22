"""The table of files that can be predicted, by the ending of their names."""

from collections.abc import Callable, Mapping
from pathlib import Path

from bertspec.core.errors import InputError
from bertspec.runtime.predicting.csv import read_csv
from bertspec.runtime.predicting.jsonl import read_jsonl
from bertspec.runtime.predicting.lines import read_text
from bertspec.runtime.predicting.parquet import read_parquet
from bertspec.runtime.predicting.row import Rows, Wanted

READERS: Mapping[str, Callable[[Path, Wanted], Rows]] = {
    ".txt": read_text,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_jsonl,
    ".parquet": read_parquet,
}


def read_rows(path: Path, wanted: Wanted) -> Rows:
    """What is wanted of each row of a file or a pipe, which is read as the rows are asked for.

    Raises InputError (E301) for no file, (E452) for one of another kind and for Parquet in a pipe,
    and what its reader says.
    """
    is_pipe = path.is_fifo()
    if not path.is_file() and not is_pipe:
        other = "is neither a file nor a pipe" if path.exists() else "does not exist"
        what = "is a folder" if path.is_dir() else other
        raise InputError.of("E301", f"{path} {what}", "name a file")
    read = READERS.get(path.suffix.lower())
    if read is None:
        kinds = ", ".join(READERS)
        raise InputError.of("E452", f"cannot read {path}", f"name a file of one of: {kinds}")
    if is_pipe and read is read_parquet:
        raise InputError.of(
            "E452",
            f"{path} is a pipe, and Parquet is read from its end",
            "write it to a file first",
        )
    return read(path, wanted)
