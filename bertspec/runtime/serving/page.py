"""The web page, and the policy that lets a browser run its own script and nothing else."""

import base64
import re
from hashlib import sha256
from importlib.resources import files

_NAME = "page.html"


def read_page() -> tuple[str, str]:
    """The page, and its Content-Security-Policy (W3C, level 3)."""
    text = files(__package__).joinpath(_NAME).read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_hashes('script', text)}; "
        f"style-src {_hashes('style', text)}; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    return text, policy


def _hashes(tag: str, text: str) -> str:
    """Of each element's content, as a source of the policy."""
    found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    digests = (sha256(inner.encode("utf-8")).digest() for inner in found)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
