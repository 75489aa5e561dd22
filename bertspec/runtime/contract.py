"""contract: prepared rows are checked before anything is trained on them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.source import SPLITS
from bertspec.core.diagnostics import Diagnostic, Severity
from bertspec.core.progress import progress
from bertspec.pipeline.params.contract import Contract, ContractParams
from bertspec.runtime.context import Context
from bertspec.runtime.contract_report import Checked, as_json, as_markdown, as_table
from bertspec.runtime.tables import write_parquet

FINDINGS, ROWS, REPORT = "findings.json", "rows.parquet", "report.md"
"""Files of the contract folder: for machines, every row, for people."""


def run(context: Context[ContractParams]) -> Sequence[Diagnostic]:
    """Write what every rule found, and the verdict: `passed`, or `failed` where an error was.

    The verdict is a file of its own, so that what depends on it does not run again for a warning.
    Returns a finding (E601 to E610) for each error; warnings are in the report.
    """
    from bertspec.runtime.shards import read_split

    prepared, folder = context.inputs["prepared"], context.outputs["contract"]
    data = PreparedData({split: read_split(prepared, split) for split in SPLITS})
    checked = list(check(data, context.params.contract))
    failures = [d for c in checked for d in diagnostics(c) if d.severity == Severity.ERROR]
    _write(json.dumps(as_json(checked), indent=2, ensure_ascii=False), folder / FINDINGS)
    _write(as_markdown(checked, data), folder / REPORT)
    write_parquet(as_table(checked), folder / ROWS)
    _write("failed" if failures else "passed", context.outputs["verdict"])
    return failures


def check(data: PreparedData, contract: Contract, *, cheap: bool = False) -> Iterator[Checked]:
    """Apply the rules that are not off, with a bar; `cheap` leaves out those that take long."""
    rules = [(name, rule) for name, rule in contract.rules() if rule.cheap or not cheap]
    with progress("contract", len(rules)) as bar:
        for name, rule in rules:
            bar(0, note=name)
            looked = rule.severity != "off" and rule.applies(data)
            found = tuple(rule.check(data)) if looked else ()
            yield Checked(name, rule, found, looked=looked)
            bar()


def diagnostics(checked: Checked) -> Iterator[Diagnostic]:
    """The findings of a rule as an error or a warning each."""
    severity = Severity.ERROR if checked.rule.severity == "error" else Severity.WARNING
    for finding in checked.findings:
        yield Diagnostic(checked.rule.code, finding.message, finding.help, severity=severity)


def cheap_findings(data: PreparedData, contract: Contract) -> list[Checked]:
    """What the quick rules find, without writing anything: for `bertspec validate --data`."""
    return list(check(data, contract, cheap=True))


def _write(text: str, path: Path) -> None:
    path.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
