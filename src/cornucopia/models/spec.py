"""Which model: one ModelSpec for training, inference, comparison and all else, resolved once into what it means here.

Nothing is downloaded, and no weight is loaded: `models.load.load_base` does that with what `resolve` gives.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from cornucopia.core import hub
from cornucopia.core.config import Config, option
from cornucopia.core.device import choose_device, choose_dtype
from cornucopia.core.errors import ModelError
from cornucopia.models.find import find_adapter, find_model
from cornucopia.models.fingerprint import files_fingerprint, weights_fingerprint
from cornucopia.models.memory import Shape, read_shape
from cornucopia.models.meta import ModelMeta, read_meta
from cornucopia.models.tokenizer import load_tokenizer
from cornucopia.tokens.segments import Template
from cornucopia.tokens.template import resolve_template

TemplateSource = Literal["given", "adapter", "folder", "tokenizer", "default"]


class ModelSpec(Config):
    """A model as a user names it. Defaults are the bundled model's."""

    base: str = option(
        "nano", "基座：目录、base_models/ 下的名字，或 nano（随项目附带）",
        aliases=("base_model", "model", "m", "model_name_or_path"),
    )  # fmt: skip
    adapter: str | None = option(
        None, "LoRA 等适配器的目录；不给则只用基座", aliases=("lora_weights", "adapter_name_or_path")
    )
    template: str | None = option(
        None,
        "模板：fin_template、alpaca、chat（模型自带）或 JSON 路径；不给则用适配器、调优过的模型记下的，再是模型自带的",
        aliases=("prompt_template", "prompt_template_name"),
    )
    bits: Literal[0, 4, 8] = option(
        0, "基座量化位数：0 不量化，8 自带，4 用 bitsandbytes", aliases=("quantization_bit",)
    )
    load_8bit: bool = option(False, "基座用 8 位（同 --bits 8）", aliases=("load_in_8bit",))
    quant_type: Literal["auto", "int8", "int8_dot", "fp8"] = option(
        "auto", "8 位的种类：int8 只存成 8 位；int8_dot、fp8 连矩阵乘也用 8 位（GPU 上更快）"
    )
    dtype: str = option("auto", "基座数据类型：auto、float32、bfloat16、float16", aliases=("torch_dtype",))
    device: str = option("auto", "设备：auto、cpu、cuda、cuda:0 …")
    revision: str | None = option(None, "模型站上的版本（提交号或标签）；本地的不是它就报错")

    @model_validator(mode="after")
    def _check_quantisation(self) -> Self:
        if self.load_8bit and self.bits == 4:
            raise ValueError("bits: 4 与 load_8bit 矛盾：只写一个")
        if self.quant_type != "auto" and self.base_bits != 8:
            raise ValueError(f"quant_type {self.quant_type} 只用于 8 位的基座：加上 bits: 8")
        return self

    @property
    def base_bits(self) -> int:
        """Quantisation of the base: 0, 4 or 8."""
        return 8 if self.load_8bit else self.bits

    def spec(self) -> ModelSpec:
        """The model's settings alone, out of a larger set of options."""
        return ModelSpec.model_validate({name: getattr(self, name) for name in ModelSpec.model_fields})


@dataclass
class ResolvedModel:
    """What a ModelSpec means on this machine.

    Args:
        spec: what was asked for.
        folder: the base's folder.
        adapter: the adapter's folder, or None.
        shape: the base's sizes.
        device: torch device name.
        dtype: torch dtype of the weights that are not quantised.
        base_meta, adapter_meta: what the folders' cornucopia.json say; empty for models from elsewhere.
    """

    spec: ModelSpec
    folder: Path
    adapter: Path | None
    shape: Shape
    device: str
    dtype: Any
    base_meta: ModelMeta
    adapter_meta: ModelMeta

    @cached_property
    def tokenizer(self) -> Any:
        """The base's fast tokenizer, left padding."""
        return load_tokenizer(self.folder)

    @property
    def template_source(self) -> TemplateSource:
        """Where the template comes from: given, adapter, folder (a tuned base), tokenizer, or default."""
        if self.spec.template:
            return "given"
        if self.adapter_meta.template:
            return "adapter"
        if self.base_meta.template:
            return "folder"
        return "tokenizer" if getattr(self.tokenizer, "chat_template", None) else "default"

    @cached_property
    def template(self) -> Template:
        """How conversations become text.

        Raises:
            ConfigError: no such template, or the model has no chat template of its own.
        """
        source = self.template_source
        if source == "adapter" or source == "folder":
            meta = self.adapter_meta if source == "adapter" else self.base_meta
            return resolve_template(meta.template, self.tokenizer, meta.template_text)
        return resolve_template(self.spec.template, self.tokenizer)

    @cached_property
    def weights_fingerprint(self) -> str:
        """What adapters of this base are bound to; see `models.fingerprint`."""
        return weights_fingerprint(self.folder)

    @cached_property
    def adapter_fingerprint(self) -> str:
        """Every byte of the adapter's files; "" without one."""
        return files_fingerprint(self.adapter) if self.adapter else ""

    @cached_property
    def fingerprint(self) -> str:
        """Every byte of the base's weights, settings and tokenizer."""
        return files_fingerprint(self.folder)

    def describe(self) -> dict[str, Any]:
        """What decides the answers besides sampling and the template's text (JSON-ready, no path of this machine)."""
        return {
            "base": self.folder.resolve().name,
            "base_fingerprint": self.fingerprint,
            "bits": self.spec.base_bits,
            "quant_type": self.spec.quant_type,
            "dtype": str(self.dtype).removeprefix("torch."),
            "adapter": self.adapter.name if self.adapter else None,
            "adapter_fingerprint": self.adapter_fingerprint or None,
            "template": self.template.name,
            "template_source": self.template_source,
        }


def resolve(spec: ModelSpec) -> ResolvedModel:
    """Find what a spec names, on this disk and this machine.

    Raises:
        ModelError: base or adapter absent or damaged, or the base is not of the revision asked for.
        ConfigError: no such device or dtype.
    """
    folder = find_model(spec.base)
    _check_revision(spec, folder)
    adapter = find_adapter(spec.adapter) if spec.adapter else None
    shape = read_shape(folder)
    device = choose_device(spec.device)
    return ResolvedModel(
        spec=spec,
        folder=folder,
        adapter=adapter,
        shape=shape,
        device=device,
        dtype=choose_dtype(spec.dtype, device, shape.parameters),
        base_meta=read_meta(folder),
        adapter_meta=read_meta(adapter) if adapter else ModelMeta(),
    )


def _check_revision(spec: ModelSpec, folder: Path) -> None:
    marker = hub.read_marker(folder)
    if not spec.revision or (marker and spec.revision in (marker.revision, marker.requested)):
        return
    found = f"{marker.requested or marker.revision}" if marker else "不是用 cornucopia models pull 下载的，不知道版本"
    name = marker.repo if marker else spec.base
    fix = f"cornucopia models pull {name} --revision {spec.revision}，或去掉 --revision"
    raise ModelError(f"本地的模型不是版本 {spec.revision}", where=str(folder), found=found, fix=fix)
