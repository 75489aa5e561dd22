"""Read a text file that people gave us: UTF-8 or an error that says where it is not."""

from pathlib import Path

from bertspec.core.diagnostics import Position
from bertspec.core.errors import InputError
from bertspec.core.names import did_you_mean


def read_utf8(path: Path, name: str) -> str:
    """The text of a file without its byte-order mark; line ends stay as they are.

    `name` is the path for messages. Raises InputError: E301 for no file, E302 for a byte that is
    not UTF-8, with its line and offset.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        near = [p.name for p in path.parent.glob("*") if p.is_file()]
        advice = did_you_mean(path.name, near) if near else "check the path in `data.source`"
        raise InputError.of("E301", f"{name} {what}", advice)
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec counts from behind a byte-order mark.
        start = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        line = content.count(b"\n", 0, start) + 1
        raise InputError.of(
            "E302",
            f"{name}, line {line}: byte {content[start]:#04x} at offset {start} is not UTF-8",
            f"convert the file, such as with `iconv -f latin1 -t utf-8 {name}`",
            Position(name, line, 1),
        ) from None
