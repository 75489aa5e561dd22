"""Passwords and tokens in a spec are refused, and what is said of it does not repeat them."""

import json

import pytest

from bertspec.core.redaction import secret_parameter, without_secrets
from bertspec.runtime.doctor import examine
from tests.projects import SPEC, Project

TOKEN = "hf_" + "a" * 34


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "PUT http://s/a?X-Amz-Date=1&X-Amz-Signature=ab/c%3D&b=1 failed",
            "PUT http://s/a?X-Amz-Date=1&X-Amz-Signature=***&b=1 failed",
        ),
        ("url 'https://me:pass@hub/x?token=1#a'", "url 'https://***@hub/x?token=***#a'"),
        ("`http://u@h/` and ftp://a:b@c", "`http://***@h/` and ftp://***@c"),
        (f"said {TOKEN}.", "said ***."),
        ("of hf_classificationlabels and hf_" + "a" * 29, None),
        ("http://u:p@ss@h/x, then https://a:b@c@d@e", "http://***@h/x, then https://***@e"),
        ("https://h/?%74oken=1&api-key=2#key=3", "https://h/?%74oken=***&api-key=***#key=***"),
        ("own-secret, twice: own-secret", "***, twice: ***"),
        ("what? tokens=3, a@b.c at https://x.org/a@b?page=2", None),
        ("?token=", None),
    ],
)
def test_secrets_are_cut_out(text: str, shown: str | None) -> None:
    assert without_secrets(text, "own-secret") == (text if shown is None else shown)
    masked = without_secrets(text, "own-secret", same_length=True)
    assert len(masked) == len(text)
    assert (masked == text) == (shown is None)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://x.org/a?v=1&access_token=b", "access_token"),
        ("https://x.org/a?X-Goog-Signature=b", "X-Goog-Signature"),
        ("https://x.org/a?sig=b", "sig"),
        ("https://x.org/a?key=b", "key"),
        ("https://x.org/a?api-key=b", "api-key"),
        ("https://x.org/a?access-token=b", "access-token"),
        ("https://x.org/a?private-token=b", "private-token"),
        ("https://x.org/a?authkey=b", "authkey"),
        ("https://x.org/a?session_token=b", "session_token"),
        ("https://x.org/a?refresh_token=b", "refresh_token"),
        ("https://x.org/a?v=1&id_token=b", "id_token"),
        ("https://x.org/a?%74oken=b", "token"),
        ("https://x.org/a?keys=b&monkey=c&sort-key=d&%74okens=e", None),
        ("https://x.org/a?tokens=3&design=b&v=1", None),
        ("https://x.org/token=1", None),
    ],
)
def test_a_parameter_that_lets_one_in_is_known(address: str, name: str | None) -> None:
    assert secret_parameter(address) == name


@pytest.mark.parametrize(
    "url",
    [
        "https://user:s3cret@x.org/a.csv",
        "https://user:pa@s3cret@x.org/a.csv",
        "https://x.org/a.csv?%74oken=s3cret",
        "https://x.org/a.csv?v=2&X-Amz-Signature=s3cret",
        f"https://{TOKEN}@huggingface.co/a.csv",
    ],
)
def test_a_spec_with_a_secret_is_refused_and_not_repeated(
    project: Project, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = json.loads(json.dumps(SPEC))
    file = {"url": url, "sha256": "0" * 64}
    spec["data"]["source"] = {"type": "url", "files": {"train": file}, "format": {"type": "csv"}}
    project.write_spec(spec)
    said = project.bertspec("validate", code=2)
    for fmt in ("json", "github"):
        said += project.bertspec("validate", "--format", fmt, code=2)
    for command in ("lock", "compile"):
        said += project.bertspec(command, code=2)
    monkeypatch.setattr(examine, "dvc", lambda root, needed: ())  # slow, and not asked here
    for fmt in ("text", "json"):
        said += project.bertspec("doctor", "--no-measure", "--format", fmt, code=1)
    assert "E015" in said
    assert "s3cret" not in said
    assert TOKEN not in said
    excerpt, carets = project.bertspec("validate", code=2).splitlines()[3:5]
    assert carets.index("^") == excerpt.index('"http')
    assert carets.count("^") == len(json.dumps(url))
    assert not (project.root / "params.yaml").exists()
