"""Arrow's own files and streams, and Feather (version 2), which is the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from bertspec.catalog.file_source import FileSource
from bertspec.catalog.files.opening import require_file
from bertspec.catalog.source import Piece
from bertspec.catalog.tables import decoded, pieces_of
from bertspec.core.errors import InputError, reason

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"ARROW1"


class Arrow(FileSource):
    """Arrow IPC files or streams. Columns keep their types until they are mapped."""

    type: Literal["arrow"] = Field(description="An Arrow IPC file or stream, or Feather 2.")

    def read_file(self, path: Path, name: str) -> Iterator[Piece]:
        require_file(path, name)
        return pieces_of(_tables(path, name), name)


def _tables(path: Path, name: str) -> Iterator["pa.Table"]:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            for batch in _batches(source, path):
                yield decoded(pa.Table.from_batches([batch]))
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError.of(
            "E331", f"{name} is not Arrow that can be read: {reason(error)}", "write it again"
        ) from None


def _batches(source: Any, path: Path) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa

    with path.open("rb") as file:
        is_file = file.read(len(MAGIC)) == MAGIC
    if is_file:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from pa.ipc.open_stream(source)
