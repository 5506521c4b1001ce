"""Base models with their layers' linear maps in 8 bits, made as the weights are read from disk, one after another.

`register()` makes the method known to Transformers, so that `from_pretrained` does the reading: at no moment is there
more than one wide weight. The output layer and the embeddings stay as they are.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from transformers.core_model_loading import ConversionOps
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import get_module_from_name, should_convert_module
from transformers.utils.quantization_config import QuantizationConfigMixin

from cornucopia.kernels.frozen import Dot8, Frozen, Widened, frozen_linear, packed_product, round_rows, widen8

METHOD = "cornucopia8"
KINDS = {"int8": torch.int8, "int8_dot": torch.int8, "fp8": torch.float8_e4m3fn}
_SMALL = 16  # 8-bit products on GPUs need both sizes to be multiples of this


class Linear8bit(torch.nn.Linear):
    """A frozen linear layer in 8 bits.

    Args:
        inputs, outputs: its sizes.
        bias: whether it has one.
        kind: "int8": products in the activations' own type; "int8_dot", "fp8": products in 8 bits.
        dtype: of the bias.

    `weight` is (outputs, inputs) of 8 bits, `scales` (outputs, 1) float32.
    """

    scales: torch.Tensor

    def __init__(self, inputs: int, outputs: int, bias: bool, kind: str, dtype: torch.dtype | None = None) -> None:
        super().__init__(inputs, outputs, bias, dtype=dtype)
        self.kind = kind
        empty = torch.empty(outputs, inputs, dtype=KINDS[kind], device=self.weight.device)
        self.weight = torch.nn.Parameter(empty, requires_grad=False)
        self.register_buffer("scales", torch.empty(outputs, 1, dtype=torch.float32, device=self.weight.device))

    def frozen(self) -> Frozen:
        """The weight as the kernels take it."""
        values, scales = self.weight.detach(), self.scales
        in_8_bits = self.kind != "int8" and self.in_features % _SMALL == self.out_features % _SMALL == 0
        if in_8_bits:
            return Dot8(values, scales)
        return Widened(self.out_features, lambda dtype: widen8(values, scales, dtype))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(..., inputs) -> (..., outputs)."""
        rows = x.reshape(-1, x.shape[-1])
        quick = None if torch.is_grad_enabled() else packed_product(rows, self.weight.detach(), self.scales)
        if quick is None:
            return frozen_linear(x, self.frozen(), self.bias)
        quick = quick.view(*x.shape[:-1], self.out_features)
        return quick if self.bias is None else quick + self.bias.to(quick.dtype)


class EightBitConfig(QuantizationConfigMixin):
    """What Transformers is told: the method, and the kind (see Linear8bit)."""

    def __init__(self, kind: str = "int8", **_: Any) -> None:
        self.quant_method: Any = METHOD
        self.kind = kind


class _Round(ConversionOps):
    """One wide weight from disk -> its values in 8 bits and their scales."""

    def __init__(self, quantizer: Any) -> None:
        self.hf_quantizer = quantizer

    def convert(self, input_dict: dict[str, Any], model: Any = None, **_: Any) -> dict[str, Any]:  # type: ignore[override]
        result = {}
        for name, value in input_dict.items():
            module, _name = get_module_from_name(model, name)
            wide = value[0] if isinstance(value, list) else value
            result[name], scales = round_rows(wide, KINDS[module.kind])
            low, high = wide.aminmax(dim=1, keepdim=True)
            # A scale that is no number keeps a broken row visible: load_base refuses it.
            scales = torch.where(low.isfinite() & high.isfinite(), scales, torch.nan)
            result[name.removesuffix("weight") + "scales"] = scales
        return result


class EightBitQuantizer(HfQuantizer):
    """Puts Linear8bit in the place of a model's linear layers while it is still without weights."""

    requires_calibration = False

    @property
    def quantized_element_size(self) -> float:
        return 1

    def param_needs_quantization(self, model: Any, param_name: str, **_: Any) -> bool:
        module, name = get_module_from_name(model, param_name)
        return isinstance(module, Linear8bit) and name == "weight"

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> None:
        config: Any = self.quantization_config
        kept = self.get_modules_to_not_convert(model, None, model._keep_in_fp32_modules)
        for name, module in list(model.named_modules()):
            if type(module) is torch.nn.Linear and should_convert_module(name, kept):
                parent, child = get_module_from_name(model, name)
                with torch.device(module.weight.device):
                    new = Linear8bit(
                        module.in_features,
                        module.out_features,
                        module.bias is not None,
                        config.kind,
                        module.weight.dtype,
                    )
                setattr(parent, child, new.requires_grad_(False))

    def _process_model_after_weight_loading(self, model: Any, **_: Any) -> Any:
        # What is not quantised lies in the mapped file, and one tensor there keeps all of the file's pages counted.
        for parameter in model.parameters():
            if parameter.dtype not in KINDS.values():
                parameter.data = parameter.data.clone()
        return model

    def is_serializable(self) -> bool:
        return False

    @property
    def is_trainable(self) -> bool:
        return True

    def get_quantize_ops(self) -> ConversionOps:
        return _Round(self)


@cache
def register() -> None:
    """Make the method known to Transformers, once."""
    register_quantization_config(METHOD)(EightBitConfig)
    register_quantizer(METHOD)(EightBitQuantizer)
