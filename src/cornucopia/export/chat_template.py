"""A PromptTemplate written as a jinja chat template, so that `apply_chat_template` gives what tokens/render.py gives.

Material goes by the standard's own name: `apply_chat_template(messages, documents=[{"text": ...}])`.
"""

from __future__ import annotations

import json
import re
from typing import Any

from cornucopia.tokens.render import starts_with_bos
from cornucopia.tokens.segments import Template, with_material
from cornucopia.tokens.template import PromptTemplate

_SLOT = re.compile(r"(\{instruction\}|\{input\})")
_FORM = """\
{%- set ns = namespace(last=-1) -%}
{%- for message in messages -%}
{%- if message['role'] == 'user' -%}{%- set ns.last = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- set material = '' -%}
{%- if documents is defined and documents -%}
{%- set material = documents | map(attribute='text') | join('\\n\\n') -%}
{%- endif -%}
<BOS>
{%- for message in messages -%}
{%- set text = message['content'] or '' -%}
{%- if message['role'] == 'assistant' -%}
{{- text + eos_token -}}
{%- elif message['role'] != 'user' -%}
{{- text + '\\n' -}}
{%- elif material and loop.index0 == ns.last -%}
{{- <WITH> -}}
{%- else -%}
{{- <WITHOUT> -}}
{%- endif -%}
{%- endfor -%}
"""
_BOS = "{{- bos_token -}}"


def as_jinja(template: PromptTemplate, *, bos: bool) -> str:
    """The chat template.

    Args:
        template: the alpaca-lora form.
        bos: whether the model was trained with a beginning-of-sequence token.
    """
    without = _expression(template.prompt_no_input, "text", "''")
    if "{input}" in template.prompt_input:
        with_ = _expression(template.prompt_input, "text", "material")
    else:
        joined = f"text + {_literal(with_material('', chr(0)).rstrip(chr(0)))} + material"
        with_ = _expression(template.prompt_no_input, f"({joined})", "''")
    return _FORM.replace("<BOS>\n", f"{_BOS}\n" if bos else "").replace("<WITHOUT>", without).replace("<WITH>", with_)


def _expression(form: str, text: str, material: str) -> str:
    slots = {"{instruction}": text, "{input}": material}
    return " + ".join(slots.get(part) or _literal(part) for part in _SLOT.split(form) if part)


def _literal(text: str) -> str:
    """A jinja string; its escapes are Python's, of which JSON's are a part."""
    return json.dumps(text, ensure_ascii=False)


def chat_template(template: Template, tokenizer: Any) -> Any:
    """What the exported tokenizer's `chat_template` must be.

    A model's own template is kept; where our rendering puts the BOS in front of it, the template is made to do so too.
    """
    bos = starts_with_bos(tokenizer)
    if isinstance(template, PromptTemplate):
        return as_jinja(template, bos=bos)
    own = tokenizer.chat_template
    if not bos or not isinstance(own, str):
        return own
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "问"}], tokenize=False)
    return own if asked.startswith(tokenizer.bos_token) else _BOS + own
