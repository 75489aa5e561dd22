"""Arrow's own files and streams, and Feather (version 2), which is the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from bertspec.catalog.columnar import pieces_of_batches, reading
from bertspec.catalog.file_source import FileSource
from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.files.opening import require_file
from bertspec.catalog.source import Piece

MAGIC = b"ARROW1"


class Arrow(FileSource):
    """Arrow IPC files or streams. Columns keep their types until they are mapped."""

    type: Literal["arrow"] = Field(description="An Arrow IPC file or stream, or Feather 2.")

    def read_file(self, path: Path, name: str, known: KnownCuts | None = None) -> Iterator[Piece]:
        import pyarrow as pa

        require_file(path, name)
        with path.open("rb") as file:
            is_file = file.read(len(MAGIC)) == MAGIC
        # Batches are parts of the mapped file, so that a large one is not in memory.
        with reading(name, "Arrow"), pa.memory_map(str(path)) as source:
            if is_file:
                reader = pa.ipc.open_file(source)
                batches = map(reader.get_batch, range(reader.num_record_batches))
                yield from pieces_of_batches(batches, reader.schema, name)
            else:
                stream = pa.ipc.open_stream(source)
                yield from pieces_of_batches(stream, stream.schema, name)
