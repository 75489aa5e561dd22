"""The report: self-contained, complete, and safe whatever the texts are."""

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bertspec.core.digest import digest, file_digest
from tests.projects import Project
from tests.report.inputs import render, write_inputs

WICKED = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "</td></table></main></body></html>",
    "<!-- no end",
    "]]> &lt; &amp; &#60;script&#62;",
    "{{ 7*7 }} {% include 'x' %}",
    "\u202etxet \u2066open\u202b \u200f\u05d0\u05d1\u05d2 \u0627\u0628",
    "\U0001f9d1\u200d\U0001f680\U0001f3f3\ufe0f\u200d\U0001f308 \u0000\u0007",
    "a" * 1900,
    "",
    "Z\u0351\u036b" * 50,
)


class _Page(HTMLParser):
    """Collects elements with the names of their attributes, attributes, and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, ...]] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, *(name for name, _ in attrs)))
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        self.elements.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.elements.append(("comment",))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", self.text)


def _built(project: Project) -> str:
    return (project.root / "models/tiny/report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_else(built: Project) -> None:
    html = _built(built)
    page = _Page(html)
    tags = {element[0] for element in page.elements}
    assert not {"link", "img", "iframe", "object", "base", "comment"} & tags
    assert html.count("<script") == 1
    names = {name for name, _ in page.attributes}
    assert not [n for n in names if n in ("src", "href") or n.startswith("on")]
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_tells_metrics_params_lineage_and_parity(built: Project) -> None:
    text = _Page(_built(built)).words
    metrics = built.metrics()
    for split in ("train", "validation", "test"):
        assert f"{metrics[split]['loss']:.4f}" in text
    assert metrics["fit"]["evidence"] in text
    assert "learning_rate0.003" in text
    assert "torchscript" in text
    for kind in ("fetch", "prepare", "base", "tokenize", "train", "evaluate", "export"):
        (manifest,) = [
            m for p in built.root.rglob("*.manifest.json")
            if (m := json.loads(p.read_text()))["stage"].endswith(f"-{kind}")
        ]  # fmt: skip
        for made in [*manifest["files"].values(), *manifest["inputs"].values()]:
            assert made in text


def test_what_a_stage_read_is_what_another_made(built: Project) -> None:
    """One follows the lineage on the page by equal digests."""
    html = _built(built)
    manifests = [json.loads(p.read_text()) for p in built.root.rglob("*.manifest.json")]
    made = {digest(m["files"]) for m in manifests}
    for manifest in manifests:
        for path, read in manifest["inputs"].items():
            if (built.root / path).is_file():  # beside an artifact
                assert read == file_digest(built.root / path)
                assert read in html
                continue
            assert read in made, path
            assert html.count(read) > 1


def test_no_element_comes_from_data(tmp_path: Path) -> None:
    """Wicked texts in every place give the elements that plain ones give."""
    labels = ("<b>bad</b>", '"\u202e><i onclick=x>')
    plain = ["plain text"] * len(WICKED)
    tame = render(write_inputs(tmp_path / "tame", texts=plain), tmp_path / "tame.html")
    wild = render(
        write_inputs(tmp_path / "wild", texts=WICKED, labels=labels, word="</code><script>x"),
        tmp_path / "wild.html",
    )
    page = _Page(wild)
    assert page.elements == _Page(tame).elements
    for text in (*WICKED, *labels, "</code><script>x"):
        assert text.replace("\0", "") in page.text.replace("\0", ""), text


def test_wrong_rows_come_in_order_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    texts = [f"text number {i:03}" for i in range(230)]
    page = _Page(render(write_inputs(tmp_path, texts=texts), tmp_path / "r.html"))
    shown = re.findall(r"(\d\.\d{3}) (bad|good)\s+is (bad|good)\s+word, row (\d+)", page.words)
    assert len(shown) == 200
    assert shown[0][3] == "229", "good with the greatest probability"
    assert [float(sure) for sure, *_ in shown] == sorted(
        (float(s) for s, *_ in shown), reverse=True
    )
    assert all(said != is_right for _, said, is_right, _ in shown)
    assert "230 of 230 test rows" in page.words
    assert "200 of 230 rows are listed, the first of this order; 30 are left out" in page.words


def test_a_long_text_is_cut_and_that_is_told(tmp_path: Path) -> None:
    page = _Page(render(write_inputs(tmp_path, texts=["ab" * 4000, "x"]), tmp_path / "r.html"))
    assert "ab" * 1000 in page.text
    assert "ab" * 1001 not in page.text
    assert "6,000 more characters are left out." in page.words


def test_a_metric_that_test_does_not_define_is_still_told_of_train(tmp_path: Path) -> None:
    text = _Page(render(write_inputs(tmp_path), tmp_path / "r.html")).words
    assert "roc_auc0.7500\u2013" in text


def test_a_verdict_from_too_few_rows_is_no_certain_one(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path)
    metrics = json.loads(inputs["metrics"].read_text())
    metrics["fit"] = {"verdict": "good fit", "evidence": "luck", "too_few_rows": True}
    inputs["metrics"].write_text(json.dumps(metrics))
    html = render(inputs, tmp_path / "r.html")
    assert "<strong>Good fit, perhaps</strong> luck" in html
    assert 'class="verdict"' in html


def test_parts_of_the_test_split_are_told(tmp_path: Path) -> None:
    text = _Page(render(write_inputs(tmp_path), tmp_path / "r.html")).words
    assert "loss0.50000.62500.5000 to 0.7500" in text
    assert "bad0.50001,000" in text
    assert "word0.3750\u2013" in text
    assert "another\u20130.2500" in text
    assert "E603 word warn failed 2,000".replace(" ", "") in text.replace(" ", "")


def test_the_spread_over_seeds_stands_below_the_metrics(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path)
    inputs["seeds"] = tmp_path / "seeds.json"
    of_seeds = {"mean": 0.6125, "std": 0.0125, "min": 0.6, "max": 0.625, "seeds": 2}
    alone = {"mean": 0.75, "min": 0.75, "max": 0.75, "seeds": 1}
    inputs["seeds"].write_text(
        json.dumps({"train": {"roc_auc": alone}, "test": {"loss": of_seeds}}), encoding="utf-8"
    )
    text = _Page(render(inputs, tmp_path / "r.html")).words
    assert "mean ± standard deviation over 2 seeds" in text
    assert "loss0.50000.62500.5000 to 0.75000.6125 ± 0.0125" in text
    assert "roc_auc0.75000.7500\u2013" in text, "one value has no deviation"


def test_params_keep_their_nesting_and_their_letters(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path, labels=("плохо", "хорошо"))
    html = render(inputs, tmp_path / "r.html")
    found = re.findall(r'--depth: (\d)"><td[^>]*><bdi>(\w+)<', html)
    assert found[:6] == [
        ("0", "labels"), ("0", "outer"), ("1", "inner"), ("1", "list"), ("2", "1"), ("3", "deep"),
    ]  # fmt: skip
    assert '["плохо", "хорошо"]' in _Page(html).text


def test_without_an_export_the_page_has_no_export_section(tmp_path: Path) -> None:
    html = render(write_inputs(tmp_path / "a", exported=False), tmp_path / "r.html")
    assert "<h2>Exports</h2>" not in html
    assert "<h2>Exports</h2>" in render(write_inputs(tmp_path / "b"), tmp_path / "s.html")


def test_the_page_stays_small_however_long_training_was(tmp_path: Path) -> None:
    html = render(write_inputs(tmp_path, steps=50_000), tmp_path / "r.html")
    assert len(html) < 140_000


def test_what_is_measured_every_few_steps_stands_at_its_step(tmp_path: Path) -> None:
    inputs = write_inputs(tmp_path)
    header, points = "step,train_loss,validation_loss,f1", ("20,0.9,0.8,0.5", "40,0.7,0.6,0.75")
    inputs["validation"].write_text("\n".join([header, *points]), encoding="utf-8")
    text = _Page(render(inputs, tmp_path / "r.html")).words
    assert "Loss by step" in text
    assert "Validation f1 by step" in text
    assert "epoch" not in text


def test_loss_spikes_are_told_with_step_and_value(tmp_path: Path) -> None:
    def told(**options: Any) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return _Page(render(write_inputs(folder, **options), folder / "r.html")).words

    assert "spike" not in told(steps=5000)
    one = told(steps=5000, spikes={1234: 4.5})
    assert "Loss spikes: 1 step with a loss of more than 2 times the median of the 100 " in one
    assert "It is: step 1,234 (4.5)." in one
    many = told(steps=5000, spikes={100 * i: i / 4 for i in range(1, 8)})
    assert "Loss spikes: 7 steps with" in many
    shown = "step 300 (0.75), step 400 (1), step 500 (1.25), step 600 (1.5), step 700 (1.75)."
    assert f"The highest: {shown}" in many


@pytest.mark.parametrize("steps", [1, 2])
def test_the_shortest_training_has_its_curves(tmp_path: Path, steps: int) -> None:
    """A line of one point is nothing to see, so points are drawn."""
    html = render(write_inputs(tmp_path, steps=steps), tmp_path / "r.html")
    (loss,) = re.findall(r"<figcaption>Training loss.*?</figure>", html, re.DOTALL)
    assert (
        len(re.findall(r'<path transform="translate[^>]*fill="var\(--first\)"', loss)) == 2 * steps
    )


def test_the_same_bytes_in_another_folder_locale_and_time_zone(tmp_path: Path) -> None:
    expected = render(write_inputs(tmp_path / "a"), tmp_path / "r.html")
    code = (
        "import sys; from pathlib import Path; from tests.report.inputs import *;"
        "render(write_inputs(Path(sys.argv[1])), Path(sys.argv[1]) / 'r.html')"
    )
    folder = tmp_path / "elsewhere"
    environment = os.environ | {"LC_ALL": "C", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, env=environment,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (folder / "r.html").read_bytes() == expected.encode()
