"""The contract of a rule of the data contract: what is looked for in prepared rows, and found."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bertspec.core.model import Model

if TYPE_CHECKING:
    import pyarrow as pa

    from bertspec.catalog.contract.data import PreparedData

Level = Literal["error", "warn", "off"]
"""What a finding does: it fails the stage, it stands in the report, or nobody looks for it."""

SEVERITY = "`error` fails the stage, `warn` only reports, `off` does not look."
"""Description of the field `severity`, which every rule has with a default of its own."""


@dataclass(frozen=True, eq=False)
class Finding:
    """One thing that a rule found, in people's words, and every row that it is about."""

    message: str
    """What is wrong, with counts and the first few places."""
    help: str
    """What to do."""
    rows: "pa.Table"
    """split, file, row, note: see `PreparedData.broken`. Empty for a finding about no row."""
    refused_as: str = ""
    """The error with which a task refuses just this fault: who looks for both tells that alone."""


class Rule(Model, ABC):
    """Options and behaviour of one rule."""

    code: ClassVar[str]
    """Of its findings; it has a page: `bertspec explain-code CODE`."""

    cheap: ClassVar[bool] = True
    """Whether `bertspec validate --data` runs it at once: seconds for a million rows."""

    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions whose version can change what is found, beside numpy and pyarrow."""

    severity: Level

    @abstractmethod
    def applies(self, data: "PreparedData") -> bool:
        """Whether the data has the columns that the rule is about."""

    def field(self, data: "PreparedData") -> tuple[str, ...]:
        """What of `data` in a spec the findings are about: by default the column of the text."""
        return ("columns", *data.content[:1])

    @abstractmethod
    def check(self, data: "PreparedData") -> Iterator[Finding]:
        """What breaks the rule, in a fixed order. Called only where the rule applies."""
