"""What the rules of the contract found, as JSON, as a table, as a page and for a terminal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bertspec.catalog.contract.data import PreparedData
from bertspec.catalog.rule import Finding, Rule
from bertspec.catalog.source import SPLITS
from bertspec.core.diagnostics import Diagnostic, Severity, render_text

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 10
"""Rows of a finding in JSON and on the page; the table has all."""

SHOWN_IN_TERMINAL = 3

Status = Literal["passed", "failed", "off", "does not apply"]


@dataclass(frozen=True, eq=False)
class Checked:
    """One rule, applied."""

    name: str
    rule: Rule
    findings: tuple[Finding, ...]
    looked: bool
    """False where the rule is off, or the data has nothing that it is about."""

    @property
    def status(self) -> Status:
        if not self.looked:
            return "off" if self.rule.severity == "off" else "does not apply"
        return "failed" if self.findings else "passed"

    @property
    def count(self) -> int:
        """Rows in all findings; a row in two of them counts twice."""
        return sum(len(finding.rows) for finding in self.findings)


def as_json(checked: Iterable[Checked]) -> list[dict[str, Any]]:
    """For machines: an entry a rule, with what it found and the first rows of that."""
    return [
        {
            "code": c.rule.code,
            "name": c.name,
            "severity": c.rule.severity,
            "status": c.status,
            "count": c.count,
            "findings": [
                {
                    "message": finding.message,
                    "help": finding.help,
                    "count": len(finding.rows),
                    "rows": finding.rows.slice(0, SHOWN).to_pylist(),
                }
                for finding in c.findings
            ],
        }
        for c in checked
    ]


def as_table(checked: Iterable[Checked]) -> "pa.Table":
    """Every row of every finding: code, split, file, row, note."""
    import pyarrow as pa

    kinds = {"code": pa.string(), "split": pa.string(), "file": pa.string(),
             "row": pa.int64(), "note": pa.string()}  # fmt: skip
    schema = pa.schema(list(kinds.items()))
    parts = [
        f.rows.add_column(0, "code", pa.array([c.rule.code] * len(f.rows), pa.string()))
        for c in checked
        for f in c.findings
    ]
    return pa.concat_tables([schema.empty_table(), *(part.cast(schema) for part in parts)])


def as_markdown(checked: Sequence[Checked], data: PreparedData) -> str:
    """For people: a table of the rules, then each finding with its first rows."""
    failed = any(c.findings and c.rule.severity == "error" for c in checked)
    sizes = ", ".join(f"{s} {len(data.tables[s]):,}" for s in SPLITS if s in data.tables)
    lines = [
        "# Data contract", "",
        f"**{'Failed' if failed else 'Passed'}.** Rows: {sizes}.", "",
        "| code | rule | severity | status | rows |", "|---|---|---|---|---:|",
        *(f"| {c.rule.code} | {c.name} | {c.rule.severity} | {c.status} | {c.count:,} |"
          for c in checked),
    ]  # fmt: skip
    for c in checked:
        for finding in c.findings:
            lines += ["", f"## {c.rule.code} {c.name} ({c.rule.severity})", ""]
            lines += [_escaped(finding.message), "", f"What to do: {_escaped(finding.help)}."]
            if len(finding.rows):
                lines += ["", "| split | file | row | |", "|---|---|---:|---|"]
            for row in finding.rows.slice(0, SHOWN).to_pylist():
                cells = (row["split"], row["file"], str(row["row"]), row["note"])
                lines.append("| " + " | ".join(_escaped(cell) for cell in cells) + " |")
            if len(finding.rows) > SHOWN:
                lines += ["", f"{len(finding.rows) - SHOWN:,} more are in `rows.parquet`."]
    return "\n".join(lines) + "\n"


def as_text(checked: Iterable[Checked]) -> str:
    """For a terminal: each finding as an error or a warning, with its first rows."""
    parts = []
    for c in checked:
        severity = Severity.ERROR if c.rule.severity == "error" else Severity.WARNING
        for finding in c.findings:
            text = render_text(
                Diagnostic(c.rule.code, finding.message, finding.help, severity=severity)
            )
            rows = finding.rows.slice(0, SHOWN_IN_TERMINAL).to_pylist()
            shown = [
                f"    {row['file']} row {row['row']} ({row['split']}): {_one_line(row['note'])}"
                for row in rows
            ]
            parts.append("\n".join([text, *shown]))
    return "\n\n".join(parts)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Text of the data in Markdown: in one line and one cell, and without HTML."""
    return _one_line(text.replace("|", "\\|").replace("<", "\\<"))
