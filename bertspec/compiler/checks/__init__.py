"""Rules that hold across fields and across specs. One rule a file, one line in a table here."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bertspec.compiler.checks import (
    batch_can_be_divided,
    best_metric_fits,
    class_weights_are_labels,
    columns_are_what_the_task_reads,
    columns_differ,
    columns_fit_task,
    data_sets_agree,
    early_stopping_can_stop,
    early_stopping_has_validation,
    events_are_inside,
    export_fields_are_looked_at,
    export_is_useful,
    exports_differ,
    family_fits_task,
    family_recomputes,
    fitting_has_validation,
    fold_is_one_of_the_folds,
    frozen_layers_are_there,
    given_splits_are_there,
    group_is_not_the_text,
    hash_split_divides_train,
    labels_are_balanced_once,
    labels_differ,
    learning_rate_is_usual,
    long_documents_fit,
    lora_or_frozen,
    loss_options_fit_task,
    mapped_labels_are_labels,
    max_length_fits_base,
    metrics_differ,
    metrics_fit_task,
    names_differ,
    names_not_reserved,
    needed_specs_are_there,
    patterns_are_valid,
    queries_are_ordered,
    require_is_measured,
    require_is_reachable,
    sampling_has_labels,
    scratch_config_is_known,
    seeds_differ,
    shares_leave_train,
    slices_are_text_columns,
    sources_are_inside,
    sources_exist,
    stratify_is_a_text_column,
    task_options_go_together,
    teachers_fit,
    time_borders_in_order,
    warmup_is_given_once,
)
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.errors import InputError
from bertspec.spec.load import Loaded, LoadedSpec, load

Rule = Callable[[LoadedSpec, Path], Iterator[Diagnostic]]
ProjectRule = Callable[[Sequence[LoadedSpec]], Iterator[Diagnostic]]

RULES: tuple[Rule, ...] = (
    names_not_reserved.check,
    labels_differ.check,
    task_options_go_together.check,
    fitting_has_validation.check,
    columns_fit_task.check,
    columns_differ.check,
    columns_are_what_the_task_reads.check,
    mapped_labels_are_labels.check,
    patterns_are_valid.check,
    group_is_not_the_text.check,
    shares_leave_train.check,
    stratify_is_a_text_column.check,
    time_borders_in_order.check,
    fold_is_one_of_the_folds.check,
    hash_split_divides_train.check,
    given_splits_are_there.check,
    sources_are_inside.check,
    events_are_inside.check,
    sources_exist.check,
    queries_are_ordered.check,
    max_length_fits_base.check,
    family_fits_task.check,
    family_recomputes.check,
    long_documents_fit.check,
    scratch_config_is_known.check,
    class_weights_are_labels.check,
    loss_options_fit_task.check,
    sampling_has_labels.check,
    labels_are_balanced_once.check,
    best_metric_fits.check,
    early_stopping_has_validation.check,
    early_stopping_can_stop.check,
    learning_rate_is_usual.check,
    warmup_is_given_once.check,
    seeds_differ.check,
    frozen_layers_are_there.check,
    lora_or_frozen.check,
    batch_can_be_divided.check,
    metrics_fit_task.check,
    metrics_differ.check,
    slices_are_text_columns.check,
    require_is_measured.check,
    require_is_reachable.check,
    exports_differ.check,
    export_fields_are_looked_at.check,
    export_is_useful.check,
)
"""Each looks at one spec; the second argument is the project's folder, for files beside it."""

PROJECT_RULES: tuple[ProjectRule, ...] = (
    names_differ.check,
    data_sets_agree.check,
    needed_specs_are_there.check,
    teachers_fit.check,
)
"""Each looks at all specs of a project together."""


def load_checked(paths: Iterable[Path], root: Path) -> Loaded:
    """Load specs and apply every rule; findings in the order of files and lines."""
    loaded = load(paths, root)
    found = list(loaded.diagnostics)
    for spec in loaded.specs:
        for rule in RULES:
            found.extend(rule(spec, root))
    for project_rule in PROJECT_RULES:
        found.extend(project_rule(loaded.specs))
    ordered = sorted(dict.fromkeys(found), key=lambda d: d.sort_key)
    return replace(loaded, diagnostics=tuple(ordered))


def load_valid(paths: Sequence[Path], root: Path) -> Loaded:
    """`load_checked`, by default of all in `specs`. Raises InputError where one is not valid."""
    loaded = load_checked(paths or (Path("specs"),), root)
    if any(d.severity is Severity.ERROR for d in loaded.diagnostics):
        raise InputError(loaded.diagnostics)
    return loaded
