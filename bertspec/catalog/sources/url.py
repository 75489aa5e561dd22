"""Files on the web, each with the digest of what it must be."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial, reduce
from operator import or_
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from bertspec.catalog.file_source import FileSource
from bertspec.catalog.files.known_cuts import KnownCuts
from bertspec.catalog.floating import Floating
from bertspec.catalog.material import Material
from bertspec.catalog.source import SPLITS, Piece, Source, SplitName
from bertspec.catalog.sources import SOURCES
from bertspec.core.digest import file_digest
from bertspec.core.errors import EnvironmentFault, InputError, reason
from bertspec.core.files import make_ignored
from bertspec.core.model import Model
from bertspec.core.progress import progress
from bertspec.core.redaction import secret_parameter

if TYPE_CHECKING:
    import httpx2

FOLDER = ".bertspec/downloads"
"""Git-ignored, and no part of what DVC watches: what is missing is fetched again."""

DELAYS = (1.0, 3.0, 9.0)
"""Seconds before each further try that follows one in which nothing came."""

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as lost."""

_MIB = 1 << 20
_OK, _PARTIAL, _BAD_RANGE = 200, 206, 416
_LOGIN = (401, 403, 407)
_AGAIN = (408, 425, 429)
"""Refusals that may be over soon, as are all of 500 and above."""

_LONGEST_NAME = 100


def _without_files(kind: type[FileSource]) -> type[FileSource]:
    """A kind of file source whose files are named elsewhere."""
    body: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": kind.__doc__,
        "__annotations__": {"files": ClassVar[dict[str, str]]},
        "files": {},
    }
    metaclass: Any = type(kind)
    made: type[FileSource] = metaclass(f"{kind.__name__}Content", (kind,), body)
    return made


def _formats() -> Any:
    """The union of all kinds of file source. The ones left out here may import this one."""
    kinds = (SOURCES[name] for name in SOURCES if name not in ("url", "joined"))
    members: Any = reduce(or_, (_without_files(k) for k in kinds if issubclass(k, FileSource)))
    return Annotated[members, Field(discriminator="type")]


if TYPE_CHECKING:
    Format = FileSource
else:
    Format = _formats()


def _without_secret(address: str) -> str:
    if name := secret_parameter(address):
        why = "`{name}` in the address lets whoever has it in, and would stand in params.yaml"
        raise PydanticCustomError("secret", why, {"name": name})
    return address


Address = Annotated[
    str,
    StringConstraints(pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$"),
    AfterValidator(_without_secret),
]
"""Without a password: it would stand in params.yaml."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Download(Model):
    """A file on the web."""

    url: Address = Field(
        description="Its address, `http` or `https`, without a user name, password or signature."
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="What `sha256sum` says of it, 64 hexadecimal digits. Another file is refused. "
        "Null for that of the file which is there when `bertspec lock` first sees it.",
    )


class Url(Source):
    """Files on the web. Each is fetched once, checked by its digest, and read as `format` says."""

    type: Literal["url"] = Field(description="Files on the web.")
    files: dict[SplitName, Download] = Field(
        min_length=1,
        description="The file of each split, such as `{train: {url: https://..., sha256: ...}}`. "
        "`.gz`, `.bz2`, `.xz` and `.zst` at the end of the address are unpacked.",
    )
    format: Format = Field(
        description="How the files are read: a source of files with its options but `files`, "
        "such as `{type: csv}`."
    )

    @property
    def packages(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the format: what fetches the files cannot change what is in them."""
        return type(self.format).packages

    def dependencies(self) -> tuple[str, ...]:
        return ()

    def given_splits(self) -> tuple[SplitName, ...]:
        return tuple(s for s in SPLITS if s in self.files)

    def list_columns(self) -> tuple[str, ...]:
        return self.format.list_columns()

    def floating(self) -> Sequence[Floating]:
        return [
            Floating("files", wanted.url, ("files", split, "url"), partial(_look_up, wanted.url))
            for split, wanted in self.files.items()
            if wanted.sha256 is None
        ]

    def pinned(self, pins: Mapping[str, str]) -> Self:
        files = {
            split: wanted.model_copy(update={"sha256": wanted.sha256 or pins.get(wanted.url)})
            for split, wanted in self.files.items()
        }
        return self.model_copy(update={"files": files})

    def materials(self) -> Sequence[Material]:
        wanted = (self.files[split] for split in self.given_splits())
        return [Material(each.url, {"sha256": each.sha256 or ""}) for each in wanted]

    def read(self, root: Path, known: KnownCuts | None = None) -> Iterator[tuple[SplitName, Piece]]:
        for split in self.given_splits():
            wanted = self.files[split]
            for piece in self.format.read_file(fetched(root, wanted), wanted.url, known):
                yield split, piece


def cached(root: Path, wanted: Download) -> Path | None:
    """The file where it has been fetched; None where it has not, or is another."""
    if wanted.sha256 is None:
        return None
    path = _place(root, wanted.url, wanted.sha256)
    return path if path.is_file() and file_digest(path) == wanted.sha256 else None


def _look_up(url: str, root: Path) -> str:
    """The digest of the file at an address, which is kept, so that it need not come twice."""
    make_ignored((root / FOLDER).parent)
    (root / FOLDER).mkdir(exist_ok=True)
    # A folder of its own: another `bertspec lock` may look up the same address.
    with TemporaryDirectory(prefix="unknown-", dir=root / FOLDER) as folder:
        part = Path(folder) / _file_name(url)
        _download(Download(url=url), part)
        digest = file_digest(part)
        path = _place(root, url, digest)
        path.parent.mkdir(exist_ok=True)
        part.replace(path)
    return digest


def fetched(root: Path, wanted: Download) -> Path:
    """The file, fetched unless it is here already.

    Raises InputError: E356 for what the server has not, E357 for another file; EnvironmentFault
    (E358) when it cannot be reached. What an interrupted download got is kept, for the next.
    """
    if (here := cached(root, wanted)) is not None:
        return here
    path = _place(root, wanted.url, str(wanted.sha256))
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    resumed = _download(wanted, part)
    if resumed and file_digest(part) != wanted.sha256:  # its beginning may be of another file
        part.unlink()
        _download(wanted, part)
    if (found := file_digest(part)) != wanted.sha256:
        size = part.stat().st_size
        part.unlink()
        raise InputError.of(
            "E357",
            f"{wanted.url} is another file: its SHA-256 is {found} ({size} bytes), and that of "
            f"the spec or the lock {wanted.sha256}",
            "look at what the address gives: has the file changed, or is it a page about it? If "
            "it is the file that you want, write its digest in the spec; if the spec has none, "
            "run `bertspec lock --upgrade URL`",
        )
    part.replace(path)
    return path


def _place(root: Path, url: str, sha256: str) -> Path:
    return root / FOLDER / sha256 / _file_name(url)


def _file_name(url: str) -> str:
    """The last part of the address, as a file name without surprises; its endings are kept."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-_LONGEST_NAME:].lstrip(".") or "file"


class _LostError(Exception):
    """The server gave no or only a part of its answer; it may do so at another time."""


class _RangeError(Exception):
    """The server does not give the file from where it was wanted."""


def _download(wanted: Download, part: Path) -> bool:
    """Fetch what `part` lacks, in as many tries as bring something; whether it was continued."""
    import httpx2

    resumed, tries, longest = False, 0, _size(part)
    with httpx2.Client(follow_redirects=True, timeout=TIMEOUT) as client:
        while True:
            resumed |= _size(part) > 0
            try:
                _transfer(client, wanted.url, part)
            except (httpx2.UnsupportedProtocol, httpx2.TooManyRedirects, httpx2.InvalidURL) as e:
                raise InputError.of(
                    "E356", f"{wanted.url} leads nowhere: {reason(e)}", "check the address"
                ) from None
            except (httpx2.TransportError, _LostError, _RangeError) as error:
                # It may be whole, whatever length the server promised.
                if _size(part) and file_digest(part) == wanted.sha256:
                    return resumed
                tries = 0 if _size(part) > longest else tries + 1
                longest = max(longest, _size(part))
                if tries > len(DELAYS):
                    raise _unreachable(wanted, error) from None
                anew = isinstance(error, _RangeError)
                if anew or wanted.sha256 is None:  # nothing would tell two files in one
                    part.unlink(missing_ok=True)
                if not anew:
                    time.sleep(DELAYS[max(tries - 1, 0)])
            else:
                return resumed


def _transfer(client: "httpx2.Client", url: str, part: Path) -> None:
    """Append to `part` what comes after it, or write it anew where the server gives all."""
    offset = _size(part)
    # Bytes as they are: a server that packs them on the way cannot give them from the middle.
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
    with client.stream("GET", url, headers=headers) as response:
        _check_status(response, url, offset)
        offset = offset if response.status_code == _PARTIAL else 0
        length = response.headers.get("Content-Length", "")
        total = (offset + int(length)) // _MIB if length.isdecimal() else None
        title = f"download {_file_name(url)} (MiB)"
        with part.open("ab" if offset else "wb") as file, progress(title, total) as bar:
            done = offset
            bar(done // _MIB)
            for block in response.iter_raw():
                file.write(block)
                bar((done + len(block)) // _MIB - done // _MIB)
                done += len(block)


def _check_status(response: "httpx2.Response", url: str, offset: int) -> None:
    """Raise InputError (E356), _LostError or _RangeError unless a file follows."""
    status = response.status_code
    if offset and status == _BAD_RANGE:
        raise _RangeError("the server has no more of the file")
    if offset and status == _PARTIAL:
        if not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
            raise _RangeError("the server gives another part of the file than it was asked for")
        return
    if status in _AGAIN or response.is_server_error:
        raise _LostError(f"the server says {status} {response.reason_phrase}")
    if status != _OK:
        raise InputError.of(
            "E356",
            f"{url}: the server says {status} {response.reason_phrase}",
            "it wants a login: fetch the file yourself, and name it in a source of files"
            if status in _LOGIN
            else "check the address",
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _unreachable(wanted: Download, error: Exception) -> Exception:
    kept = ": what has come is kept" if wanted.sha256 else ""
    return EnvironmentFault.of(
        "E358",
        f"{wanted.url} cannot be fetched: {reason(error)}",
        f"check the network and the proxy, and run it again{kept}",
    )
