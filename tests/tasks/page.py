"""What the page of `bertspec serve` shows of an answer, whatever the task."""

import json
from collections.abc import Mapping
from typing import Any

from tests.browser import Browser


def ask(browser: Browser, url: str, given: Mapping[str, Any]) -> Any:
    """Type an input, and read the answer that the page has as JSON."""
    browser.open(url)
    browser.wait_for("!document.forms[0].hidden")
    for name, value in given.items():
        between = "\n" if name == "choices" else " "
        browser.type(f"#field-{name}", value if isinstance(value, str) else between.join(value))
    browser.click("#go")
    browser.wait_for("document.querySelector('#result h2')")
    assert browser.texts("#result h2")[0] == "Answer", browser.texts("#result")
    return json.loads(*browser.texts("#result pre"))


def marks(answer: Mapping[str, Any]) -> list[str]:
    """What stands out in a text, as one reads it."""
    if "entities" in answer:
        return [f"{e['text']}{e['label']} {_percent(e['score'])}" for e in answer["entities"]]
    if "answer" in answer:
        return [answer["answer"]]
    return [fills[0]["token"].strip() for fills in answer.get("fills", [])]


def bars(answer: Mapping[str, Any], given: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Names and percents of the bars; what was chosen has a tick."""
    found = answer.get("probabilities", {})
    if "choice" in answer:
        chosen, found = (
            [given["choices"][answer["choice"]]],
            dict(zip(given["choices"], found, strict=True)),
        )
    elif "fills" in answer:
        found = {fill["token"]: fill["score"] for fills in answer["fills"] for fill in fills}
        chosen = [fills[0]["token"] for fills in answer["fills"]]
    else:
        chosen = answer.get("labels", [answer.get("label")])
    return {
        (f"{name} ✓" if name in chosen else name, _percent(share)) for name, share in found.items()
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
