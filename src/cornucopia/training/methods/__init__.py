"""What of a model changes. A method is one file here and one entry in METHODS; nothing else knows it by name."""

from __future__ import annotations

from typing import Any

from cornucopia.training.methods.freeze import Freeze
from cornucopia.training.methods.full import Full
from cornucopia.training.methods.lora import Lora
from cornucopia.training.methods.prefix import Prefix

METHODS: dict[str, Any] = {"lora": Lora, "full": Full, "freeze": Freeze, "prefix": Prefix}
