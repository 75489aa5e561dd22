"""The table of rules: what is checked about a prepared data set before anything is trained."""

from bertspec.catalog.rule import Rule
from bertspec.core.kinds import Kinds

RULES: Kinds[Rule] = Kinds(
    "bertspec.catalog.contract",
    {
        "duplicates_across_splits": "duplicates_across_splits:DuplicatesAcrossSplits",
        "near_duplicates_across_splits": "near_duplicates_across_splits:NearDuplicatesAcrossSplits",
        "contradicting_labels": "contradicting_labels:ContradictingLabels",
        "duplicates_within_split": "duplicates_within_split:DuplicatesWithinSplit",
        "label_support": "label_support:LabelSupport",
        "label_drift": "label_drift:LabelDrift",
        "empty_text": "empty_text:EmptyText",
        "long_text": "long_text:LongText",
        "entity_spans": "entity_spans:EntitySpans",
        "answers_at_offset": "answers_at_offset:AnswersAtOffset",
    },
)
"""In the order of the report. A rule has the same name as a field of `contract`."""
