"""Strings that break programs: the Big List of Naughty Strings, by Max Woolf."""

import json
from pathlib import Path

_FILE = Path(__file__).parent / "data" / "naughty_strings.json"

NAUGHTY: list[str] = json.loads(_FILE.read_text(encoding="utf-8"))
