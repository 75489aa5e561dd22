"""Where what a word names is defined: the spec that is extended, a data set, another spec."""

from pathlib import Path

from bertspec.lsp.cursor import node_at
from bertspec.lsp.project import data_set_file
from bertspec.lsp.tree import read_tree
from bertspec.spec.document import read_text
from bertspec.spec.load import spec_named
from bertspec.spec.needs import BASE, TEACHER
from bertspec.spec.unsaved import is_file


def definition(
    text: str, offset: int, path: Path, root: Path, *, is_json: bool
) -> tuple[Path, int, int] | None:
    """The file behind the word at an offset, and where in it the name of it stands.

    None for a word that names no file, or one that is not there.
    """
    found = node_at(text, offset, is_json=is_json)
    if found is None or found[0].is_key:
        return None
    node, _ = found
    target: Path | None = None
    if node.path == ("extends",):
        target = path.parent / node.text
    elif node.path == ("data",):
        target = data_set_file(node.text, path, root)
    elif node.path in (BASE, TEACHER):
        target = spec_named(node.text, path.parent)
    if target is None or not is_file(target):
        return None
    return (target.resolve(), *_name(target))


def _name(file: Path) -> tuple[int, int]:
    """Where a file says its name; its beginning where it does not."""
    tree = read_tree(read_text(file, file.name), is_json=file.suffix.lower() == ".json")
    places = [(n.start, n.end) for n in tree.nodes if n.path == ("name",) and not n.is_key]
    return places[0] if places else (0, 0)
