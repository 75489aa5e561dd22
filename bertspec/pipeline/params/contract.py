"""What contract reads: the rules that prepared rows must keep, and what breaking one does."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, Tag

from bertspec.catalog.contract.answers_at_offset import AnswersAtOffset
from bertspec.catalog.contract.contradicting_labels import ContradictingLabels
from bertspec.catalog.contract.duplicates_across_splits import DuplicatesAcrossSplits
from bertspec.catalog.contract.duplicates_within_split import DuplicatesWithinSplit
from bertspec.catalog.contract.empty_text import EmptyText
from bertspec.catalog.contract.entity_spans import EntitySpans
from bertspec.catalog.contract.label_drift import LabelDrift
from bertspec.catalog.contract.label_support import LabelSupport
from bertspec.catalog.contract.long_text import LongText
from bertspec.catalog.contract.near_duplicates_across_splits import NearDuplicatesAcrossSplits
from bertspec.catalog.rule import Level, Rule
from bertspec.core.model import Model, either_text_or_mapping

R = TypeVar("R", bound=Rule)

if TYPE_CHECKING:
    OrSeverity = Annotated[R, "or its severity alone"]
else:

    class OrSeverity:
        """`OrSeverity[X]`: a rule's options, or its severity alone, which becomes the options.

        So `label_drift: error` and `label_drift: {severity: error}` are the same params.
        """

        def __class_getitem__(cls, rule: type[Rule]) -> Any:
            alone = Annotated[
                Level, AfterValidator(lambda severity: rule(severity=severity)), Tag("text")
            ]
            return Annotated[alone | Annotated[rule, Tag("mapping")], either_text_or_mapping()]


class Contract(Model):
    """The rules. Each has options and a severity, or is written as its severity alone."""

    duplicates_across_splits: OrSeverity[DuplicatesAcrossSplits] = Field(
        default=DuplicatesAcrossSplits(), description="A text is in more than one split (E601)."
    )
    near_duplicates_across_splits: OrSeverity[NearDuplicatesAcrossSplits] = Field(
        default=NearDuplicatesAcrossSplits(),
        description="A text is in another split with few changes (E602).",
    )
    contradicting_labels: OrSeverity[ContradictingLabels] = Field(
        default=ContradictingLabels(), description="A text has different labels (E603)."
    )
    duplicates_within_split: OrSeverity[DuplicatesWithinSplit] = Field(
        default=DuplicatesWithinSplit(), description="A text is in a split twice (E604)."
    )
    label_support: OrSeverity[LabelSupport] = Field(
        default=LabelSupport(),
        description="A label has too few rows in a split, or none in train (E605).",
    )
    label_drift: OrSeverity[LabelDrift] = Field(
        default=LabelDrift(),
        description="Labels are distributed differently in train and in another split (E606).",
    )
    empty_text: OrSeverity[EmptyText] = Field(
        default=EmptyText(), description="A text has nothing to read (E607)."
    )
    long_text: OrSeverity[LongText] = Field(
        default=LongText(), description="A text is very long (E608)."
    )
    entity_spans: OrSeverity[EntitySpans] = Field(
        default=EntitySpans(), description="Entity tags or offsets cannot be right (E609)."
    )
    answers_at_offset: OrSeverity[AnswersAtOffset] = Field(
        default=AnswersAtOffset(), description="An answer is not at its offset (E610)."
    )

    def rules(self) -> Iterator[tuple[str, Rule]]:
        """Every rule with its name, in the order of the report."""
        yield from self

    def packages(self) -> tuple[str, ...]:
        """Distributions whose version can change what the rules find."""
        used = {p for _, rule in self.rules() if rule.severity != "off" for p in rule.packages}
        return tuple(sorted(used))


class ContractParams(Model):
    """Params of a contract stage."""

    contract: Contract
