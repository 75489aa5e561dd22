"""A bench of an exported model, from its folder to results."""

from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from bertspec.core.errors import EnvironmentFault, InputError
from bertspec.core.packages import available_cores
from bertspec.runtime.benching.formats import Format, formats_of
from bertspec.runtime.benching.ids import Vocabulary
from bertspec.runtime.benching.measure import Plan, Size, measure
from bertspec.runtime.benching.results import Results, load_average
from bertspec.runtime.bundle import Bundle, read_bundle, task_of

TOKENS = 128
"""Where no other number is asked for, and the model reads so many."""


def bench(
    model: str,
    folder: Path,
    batches: Sequence[int],
    tokens: Sequence[int],
    *,
    threads: int | None,
    rounds: int,
    seconds: float,
    peers: Iterable[Format] = (),
) -> Results:
    """Measure each format of the folder, and `peers`, at each size.

    `tokens` is empty for TOKENS, and `threads` None for one a core. Raises InputError: E470 for
    more tokens than the model reads, and what `formats_of` and `measure` do. Raises
    EnvironmentFault (E502) when no format can run here.
    """
    bundle = read_bundle(folder)
    task_of(bundle, folder)
    sizes = [Size(*pair) for pair in product(batches, _tokens(tokens, bundle))]
    plan = Plan(sizes, threads or available_cores(), rounds, seconds)
    load = load_average()
    wanted = [*formats_of(folder, bundle), *peers]
    measured, absent = measure(wanted, bundle.task, Vocabulary.read(folder), plan)
    if not measured:
        said = "; ".join(f"{each.name}: {each.why}" for each in absent)
        raise EnvironmentFault.of(
            "E502", f"none of the formats can run here: {said}", "pip install 'bertspec[predict]'"
        )
    return Results(model, plan, load, measured, absent)


def _tokens(tokens: Sequence[int], bundle: Bundle) -> Sequence[int]:
    most = bundle.max_length
    for number in tokens:
        if number > most:
            raise InputError.of(
                "E470",
                f"the model reads {most} tokens at most, and --tokens says {number}",
                f"ask for {most} or fewer; `tokenization.max_length` of the spec says how many",
            )
    return tokens or (min(TOKENS, most),)
