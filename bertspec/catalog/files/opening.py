"""Open a file that people gave us: packed or not, in UTF-8 or the encoding that they name."""

import bz2
import codecs
import gzip
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from bertspec.core.diagnostics import Position
from bertspec.core.errors import BertspecError, InputError, reason
from bertspec.core.names import did_you_mean

BLOCK = 1 << 22
"""Bytes that are read at once."""

PACKED = (".gz", ".bz2", ".xz", ".zst")
"""Endings of packed files: what is behind them is read as if it were not packed."""

BOM = codecs.BOM_UTF8
UTF8 = "utf-8"


def _known_encoding(name: str) -> str:
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name)
    except (LookupError, ValueError):
        raise PydanticCustomError(
            "encoding", "there is no text encoding `{name}`", {"name": name}
        ) from None
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]


def read_blocks(path: Path, name: str, encoding: str = UTF8) -> Iterator[bytes]:
    """The file's text as UTF-8, a block at a time.

    What is UTF-8 already is passed on as it is: `decode` checks it. `name` is the path for
    messages. Raises InputError: E301 for no file, E302 for bytes that are not of the encoding,
    E315 for a packed file that is damaged.
    """
    with open_packed(path, name) as file:
        blocks = iter(lambda: file.read(BLOCK), b"")
        is_utf8 = codecs.lookup(encoding).name == UTF8
        yield from blocks if is_utf8 else _recoded(blocks, name, encoding)


def ahead(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same blocks; while one is looked at, the next is read."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block


@contextmanager
def open_packed(path: Path, name: str) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked. Raises InputError: E301 for no file, E315 for a damaged one."""
    require_file(path, name)
    try:
        with _opener(path) as file:
            yield file
    except (EOFError, lzma.LZMAError, gzip.BadGzipFile, _zlib_error(), OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the machine's, not the file's
            raise
        raise InputError.of(
            "E315", f"{name} is damaged: {reason(error)}", "pack it again, or fetch it again"
        ) from None


def require_file(path: Path, name: str) -> None:
    """Raise InputError (E301) when there is no such file."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        near = [p.name for p in path.parent.glob("*") if p.is_file()]
        advice = did_you_mean(path.name, near) if near else "check the path in `data.source`"
        raise InputError.of("E301", f"{name} {what}", advice)


def _opener(path: Path) -> Any:
    match path.suffix:
        case ".gz":
            return gzip.open(path)
        case ".bz2":
            return bz2.open(path)
        case ".xz":
            return lzma.open(path)
        case ".zst":
            import pyarrow as pa

            return pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")
    return path.open("rb")


def _zlib_error() -> type[Exception]:
    import zlib

    return zlib.error


def _recoded(blocks: Iterator[bytes], name: str, encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    for block, final in _with_last(blocks):
        waiting = len(decoder.getstate()[0])  # the beginning of a character, from the last block
        try:
            text = decoder.decode(block, final)
        except UnicodeDecodeError as error:
            place = offset - waiting + error.start
            raise InputError.of(
                "E302",
                f"{name}: byte {error.object[error.start]:#04x} at offset {place} is not "
                f"{encoding}: {error.reason}",
                "check the file, and `encoding` in `data.source`",
                Position(name, 1, 1),
            ) from None
        except UnicodeError as error:  # punycode and others do not say where
            raise _not_text(name, encoding, error) from None
        offset += len(block)
        yield _as_utf8(text, name, encoding)


def _as_utf8(text: str, name: str, encoding: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:  # half of a surrogate pair, which UTF-7 can write
        raise _not_text(name, encoding, error) from None


def _not_text(name: str, encoding: str, error: UnicodeError) -> BertspecError:
    return InputError.of(
        "E302",
        f"{name} is not text in {encoding}: {reason(error)}",
        "check the file, and `encoding` in `data.source`",
        Position(name, 1, 1),
    )


def _with_last(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    for block in blocks:
        yield block, False
    yield b"", True


def decode(data: bytes, name: str, offset: int, line: int) -> str:
    """UTF-8 bytes that begin at `offset` (bytes) and `line` (from 1) of a text, as text.

    Raises InputError (E302) for a byte that is not UTF-8, with its line and offset.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise InputError.of(
            "E302",
            f"{name}, line {line}: byte {data[error.start]:#04x} at offset "
            f"{offset + error.start} is not UTF-8",
            "name the file's encoding, such as `encoding: latin-1`, or convert it, such as with "
            f"`iconv -f latin1 -t utf-8 {name}`",
            Position(name, line, 1),
        ) from None
