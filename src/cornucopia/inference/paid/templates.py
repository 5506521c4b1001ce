"""The words in which a model is asked: YAML files of Jinja templates, several forms for one purpose.

A file is a mapping: `system` (text, may be empty; `system_PURPOSE` where one purpose has its own), then a list of forms
for each purpose of the step. Templates run in a sandbox and see only what the step gives them; what documents say is
data to them, never a template.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cornucopia.core.chance import chance
from cornucopia.core.config import read_yaml
from cornucopia.core.errors import ConfigError, first_line, nearest
from cornucopia.records.schema import Message


class Templates:
    """The prompts of one step.

    Args:
        bundled: the file that comes with it.
        own: path of the user's file, or ''.

    Raises:
        ConfigError: the user's file is absent, broken, or names what the step has not.
    """

    def __init__(self, bundled: Path, own: str = "") -> None:
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        self.where = own or f"{bundled.parent.name}/{bundled.name}"
        texts = read_yaml(bundled)
        texts |= self._own(own, texts) if own else {}
        self._texts = texts
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        try:
            self._forms: dict[str, list[Any]] = {
                name: [environment.from_string(form) for form in ([forms] if isinstance(forms, str) else forms)]
                for name, forms in texts.items()
            }
        except TemplateError as error:
            raise ConfigError("提示词的写法有错", where=self.where, found=first_line(error)) from None

    def _own(self, path: str, bundled: dict[str, Any]) -> dict[str, Any]:
        own = read_yaml(path)
        for name, forms in own.items():
            if name not in bundled:
                close = nearest(str(name), bundled)
                fix = f"最接近的是 {close}" if close else f"可以写 {'、'.join(bundled)}"
                raise ConfigError(f"这一步没有叫 {name} 的提示词", where=path, fix=fix)
            listed = [forms] if isinstance(forms, str) else forms
            if not (isinstance(listed, list) and listed and all(isinstance(form, str) for form in listed)):
                raise ConfigError(f"{name} 应是一段文字，或几段文字的列表", where=path, found=str(forms)[:60])
        return own

    def messages(self, name: str, seed: int, key: str, /, **values: Any) -> tuple[Message, ...]:
        """The turns of one request: the system prompt if there is one, and a form drawn by seed and key.

        Raises:
            ConfigError: a template names a value that the step does not give, or does what the sandbox forbids.
        """
        form = chance(seed, name, key).choice(self._forms[name])
        system = self._render(self._forms.get(f"system_{name}", self._forms["system"])[0], values).strip()
        turns = (Message("system", system),) if system else ()
        return (*turns, Message("user", self._render(form, values).strip()))

    def fingerprint(self, name: str) -> str:
        """SHA-256 (16 hex digits) of what a purpose is asked with: its forms and its system prompt, as templates."""
        asked = [self._texts[name], self._texts.get(f"system_{name}", self._texts["system"])]
        return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode("utf-8", "surrogatepass")).hexdigest()[:16]

    def _render(self, form: Any, values: dict[str, Any]) -> str:
        try:
            return form.render(**values)
        except Exception as error:  # a template may fail in any way, and it is the user's file
            known = "、".join(values)
            raise ConfigError(
                "提示词填不进去", where=self.where, found=first_line(error), fix=f"可用：{known}"
            ) from None
