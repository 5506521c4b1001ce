"""How numbers are stored in a GGUF file: which type each tensor gets, and its values in that type.

The mixtures of the `_m` kinds follow llama.cpp's own quantiser (src/llama-quant.cpp): the output layer in 6 bits, and
6 bits for half of the value and down projections, which hurt most. Block formats: ggml/src/ggml-quants.c.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from cornucopia.core.errors import ModelError

INSTALL = 'pip install "cornucopia-fin[gguf]"（源码目录里：pip install -e ".[gguf]"）'
_K_TYPES = ("Q4_K", "Q5_K", "Q6_K")  # the gguf package reads them but cannot make them: ggml's own code does
_FALLBACK = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0"}  # for rows that are no multiple of 256 numbers
# Relative error (root mean square) that rounding to blocks of so few bits gives at the most; 16 bits are exact enough.
_WORST = {"Q8_0": 0.02, "Q6_K": 0.05, "Q5_K": 0.08, "Q5_0": 0.09, "Q5_1": 0.09, "Q4_K": 0.15, "Q4_0": 0.18}


@dataclass(frozen=True)
class Kind:
    """One value of --gguf.

    Args:
        file_type: what the file says of itself, a name of gguf.LlamaFileType.
        usual: type of most matrices, a name of gguf.GGMLQuantizationType.
        output: type of the output layer.
        sensitive: type of the value and down projections of half of the blocks.
        same_as: the torch type whose rounding it is; '' for a quantised kind.
    """

    file_type: str
    usual: str
    output: str
    sensitive: str
    same_as: str = ""


KINDS = {
    "f32": Kind("ALL_F32", "F32", "F32", "F32", "float32"),
    "f16": Kind("MOSTLY_F16", "F16", "F16", "F16", "float16"),
    "bf16": Kind("MOSTLY_BF16", "BF16", "BF16", "BF16", "bfloat16"),
    "q8_0": Kind("MOSTLY_Q8_0", "Q8_0", "Q8_0", "Q8_0"),
    "q6_k": Kind("MOSTLY_Q6_K", "Q6_K", "Q6_K", "Q6_K"),
    "q5_k_m": Kind("MOSTLY_Q5_K_M", "Q5_K", "Q6_K", "Q6_K"),
    "q4_k_m": Kind("MOSTLY_Q4_K_M", "Q4_K", "Q6_K", "Q6_K"),
    "q4_0": Kind("MOSTLY_Q4_0", "Q4_0", "Q6_K", "Q4_0"),
}


def type_of(kind: Kind, name: str, shape: tuple[int, ...], *, block: int, blocks: int, output: str) -> str:
    """The type of one tensor, a name of gguf.GGMLQuantizationType.

    Args:
        kind: of the file.
        name: the tensor's, in the file.
        shape: rows first, then numbers in a row.
        block: which transformer block it is in; -1 outside them.
        blocks: number of transformer blocks.
        output: name of the tensor that serves as output layer (the embedding where it is tied).
    """
    if len(shape) < 2:
        return "F32"
    wanted = kind.usual
    if name == output:
        wanted = kind.output
    elif ("attn_v." in name or "ffn_down." in name) and _more_bits(block, blocks):
        wanted = kind.sensitive
    if wanted in _FALLBACK and shape[-1] % 256:
        wanted = _FALLBACK[wanted]
    return "F16" if wanted.startswith("Q") and shape[-1] % 32 else wanted


def _more_bits(block: int, blocks: int) -> bool:
    """The first and last eighth of the blocks, and every third one between."""
    eighth = blocks // 8
    return block < eighth or block >= 7 * blocks // 8 or (block - eighth) % 3 == 2


def byte_count(shape: tuple[int, ...], type_name: str) -> int:
    """Bytes of a tensor of this shape in this type."""
    import gguf

    numbers, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[type_name]]
    return int(np.prod(shape)) // numbers * size


def stored(values: np.ndarray[Any, Any], type_name: str) -> np.ndarray[Any, Any]:
    """A float32 tensor in the type: float32 or float16 as it is, of other types the bytes.

    Raises:
        ModelError: the values do not fit, or read back they are not what rounding explains.
    """
    import gguf

    values = np.ascontiguousarray(values, dtype=np.float32)
    if type_name == "F32":
        return values
    if type_name == "F16":
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise ModelError("有的权重大到 16 位存不下", found=f"{np.abs(values).max():.3g}", fix="--gguf bf16 或 f32")
        return half
    kind = gguf.GGMLQuantizationType[type_name]
    made = _by_ggml(values, int(kind)) if type_name in _K_TYPES else gguf.quantize(values, kind)
    if type_name in _WORST:
        _check_rounding(values, made, type_name)
    return made


def _check_rounding(values: np.ndarray[Any, Any], made: np.ndarray[Any, Any], type_name: str) -> None:
    """The first rows, read back by the other implementation, are the values but for rounding."""
    import gguf

    rows = values.reshape(-1, values.shape[-1])[:64]
    back = gguf.dequantize(made.reshape(len(values), -1)[:64], gguf.GGMLQuantizationType[type_name])
    scale = float(np.sqrt(np.mean(rows**2)))
    error = float(np.sqrt(np.mean((back - rows) ** 2)))
    if not error <= _WORST[type_name] * scale:
        found = f"{type_name} 的误差 {error:.3g}，权重本身 {scale:.3g}"
        raise ModelError("量化的结果读回来不对，没有写出", found=found, fix="用 --gguf f16，再用 llama-quantize 量化")


def _by_ggml(values: np.ndarray[Any, Any], number: int) -> np.ndarray[Any, Any]:
    """Quantised by ggml_quantize_chunk, llama.cpp's own routine."""
    import gguf

    rows, width = values.shape
    per_block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(number)]
    made = np.zeros((rows, width // per_block * size), dtype=np.uint8)
    _quantiser()(number, values.ctypes.data, made.ctypes.data, 0, rows, width, None)
    return made


@cache
def _quantiser() -> Any:
    """ggml_quantize_chunk of the installed llama.cpp: the wheel has no Python name for it, but exports the symbol.

    Raises:
        ModelError: xllamacpp is not installed, or its build hides the symbol.
    """
    try:
        from xllamacpp import xllamacpp as built
    except ImportError:
        raise ModelError("写 GGUF 的 K 量化要用 llama.cpp，没有装 xllamacpp", fix=INSTALL) from None
    try:
        routine = ctypes.CDLL(str(built.__file__)).ggml_quantize_chunk
    except (AttributeError, OSError):
        fix = "用 --gguf q8_0；或写 --gguf f16，再用 llama-quantize 量化"
        raise ModelError("这个平台的 xllamacpp 不能做 K 量化", found=str(built.__file__), fix=fix) from None
    integer, pointer = ctypes.c_int64, ctypes.c_void_p
    routine.argtypes = [ctypes.c_int, pointer, pointer, integer, integer, integer, pointer]
    routine.restype = ctypes.c_size_t
    return routine
