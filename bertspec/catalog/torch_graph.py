"""What a .pt2 archive may say, so that loading and running one of a stranger runs only its model.

PyTorch unpickles entries of it, calls whatever its graph names, and evaluates its strings.
"""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from bertspec.core.errors import InputError

if TYPE_CHECKING:
    import torch

GRAPH = "models/model.json"
SAMPLES = "data/sample_inputs/model.pt"

_CONFIG = re.compile(r"data/(?:weights/model_weights|constants/model_constants)_config\.json")
_ENTRIES = re.compile(
    r"archive_(format|version)|byteorder|\.data/(version|serialization_id)"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+"
    rf"|{_CONFIG.pattern}|{GRAPH}|{SAMPLES}"
)
_NAME = re.compile(r"[\w.]*")
_CALLED = re.compile(
    r"torch\.ops\.aten\.(?!from_file\b|save\b)\w+\.\w+"  # these two open a file
    r"|torch\.ops\.higher_order\.wrap_with_(set_grad_enabled|autocast)"
    r"|_operator\.(eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|mod|pow|truediv|and_|or_|getitem)"
    r"|math\.trunc|torch\.sym_\w+"
)
_SHAPE_OF_ARGUMENTS = re.compile(
    r'(?:[\s\[\]{}:,\d"\\]|null|type|context|children_spec|builtins\.(?:tuple|list|dict))*'
)
_LINE = re.compile(r".*")
# Without what begins a comment, another line or another kind of quotes.
_EXPRESSION = re.compile(r"[\w '(),=<>!&|~*+/.%-]*")
_TEXTS = {
    "target": _CALLED, "as_operator": re.compile("(?!)"), "expr_str": _EXPRESSION,
    "in_spec": _SHAPE_OF_ARGUMENTS, "out_spec": _SHAPE_OF_ARGUMENTS, "guards_code": _LINE,
    "as_string": _LINE, "nn_module_stack": _LINE, "torch_fn": _LINE, "torch_version": _LINE,
}  # fmt: skip
"""What the string of a key may be, where it is no plain name."""

_NUMBERS = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.UnaryOp, ast.BinOp, ast.BoolOp,
    ast.Compare, ast.unaryop, ast.operator, ast.boolop, ast.cmpop,
)  # fmt: skip
_FUNCTIONS = re.compile(
    "Symbol|Integer|Rational|Float|Add|Mul|Pow|Mod|Max|Min|And|Or|Not|Eq|Ne|Ge|Gt|Le|Lt"
    "|Equality|Unequality|GreaterThan|StrictGreaterThan|LessThan|StrictLessThan"
    "|FloorDiv|ModularIndexing|Where|PythonMod|CleanDiv|CeilToInt|FloorToInt|CeilDiv|PowByNatural"
    "|FloatPow|FloatTrueDiv|IntTrueDiv|TruncToFloat|TruncToInt|ToFloat|Identity"
)


def load_program(path: Path) -> "torch.export.ExportedProgram":
    """The graph of an archive. Raises InputError (E451) for one with more than a model has."""
    import torch
    from torch.export.pt2_archive._package import load_pt2

    with path.open("rb") as file:
        _require(torch._C.PyTorchFileReader(file), path)  # noqa: SLF001 - the one that loads it
        file.seek(0)
        # Not torch.export.load, which goes on to formats of old that are pickles.
        found: torch.export.ExportedProgram = load_pt2(file).exported_programs["model"]
    return found


def _require(archive: Any, path: Path) -> None:
    def refuse(what: str) -> NoReturn:
        raise InputError.of(
            "E451",
            f"{path} has {what}, which may run any program, and which bertspec never exports",
            "do not load it; get the file again from where it was exported",
        )

    names: list[str] = archive.get_all_records()
    for name in names:
        if not _ENTRIES.fullmatch(name):
            refuse(f"an entry {name}")
        if _CONFIG.fullmatch(name):
            for value in json.loads(archive.get_record(name))["config"].values():
                if value["use_pickle"] or not re.fullmatch(
                    r"(weight|tensor)_\d+", value["path_name"]
                ):
                    refuse(f"a pickle, {value['path_name']}")
    if archive.get_record(SAMPLES):
        refuse(f"a pickle, {SAMPLES}")
    for what in strange(json.loads(archive.get_record(GRAPH))):
        refuse(what)


def strange(value: Any, key: str = "") -> Iterator[str]:
    """What of a graph is more than numbers, names and the operators of PyTorch."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from strange(name)
            yield from strange(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from strange(inner, key)
    elif isinstance(value, str):
        wanted = _TEXTS.get(key, _NAME)
        if not wanted.fullmatch(value) or (wanted is _EXPRESSION and not _computes(value)):
            yield f"`{value:.80}` as `{key or 'name'}`"


def _computes(text: str) -> bool:
    """Whether an expression of shapes calls nothing but functions of numbers."""
    try:
        parts: list[ast.AST] = [ast.parse(text, mode="eval").body]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    while parts:
        part = parts.pop()
        if isinstance(part, ast.Call):
            if not _is_function(part.func):
                return False
            # A symbol's name and a float's digits are in quotes. What else is, is evaluated, too.
            parts += [each for each in part.args if not _is_quoted(each, part.func)]
            parts += [keyword.value for keyword in part.keywords]
        elif not isinstance(part, _NUMBERS) or _is_text(part):
            return False
        else:
            parts += ast.iter_child_nodes(part)
    return True


def _is_function(part: ast.AST) -> bool:
    return isinstance(part, ast.Name) and _FUNCTIONS.fullmatch(part.id) is not None


def _is_quoted(part: ast.AST, function: ast.AST) -> bool:
    named = isinstance(function, ast.Name) and function.id in ("Symbol", "Float")
    return named and _is_text(part) and re.fullmatch(r"'[\w.+-]+'", ast.unparse(part)) is not None


def _is_text(part: ast.AST) -> bool:
    return isinstance(part, ast.Constant) and isinstance(part.value, str | bytes)
