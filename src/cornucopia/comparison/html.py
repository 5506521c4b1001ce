"""What the pages of reports share: one self-contained file in which only its own script and style may run."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


def render(template: str, *, style: str, script: str, **values: Any) -> str:
    """A template of this folder, filled in; `style` and `script` are given to it with the policy that allows them."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template(template)
    return page.render(style=style, script=script, policy=_policy(style, script), **values)


def source(name: str) -> str:
    """A file of this folder."""
    return (_HERE / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _policy(style: str, script: str) -> str:
    """Only this very script and style may run: text in an answer cannot become code, and nothing may be fetched."""
    script_hash, style_hash = (
        "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'" for text in (script, style)
    )
    others = "img-src data:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {script_hash}; style-src {style_hash}; {others}"
