"""The benchmark's models: LLaMA shapes with random weights, the same as GGUF files, and adapters on them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ADAPTERS, RANK = 5, 8
GGUF = ("f16", "q8_0")


def make(name: str, folder: Path) -> dict[str, Any]:
    """What is not there yet of a model; where all of it is.

    Args:
        name: 110m, or nano.
        folder: of this model's files.
    """
    model = folder / "model"
    if not (model / "model.safetensors").is_file():
        _training("prepare").make_model(model, _training("prepare").shape_of(name), "float32")
    files = {}
    if importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("gguf"):
        files = {kind: _gguf(model, folder / f"{kind}.gguf", kind) for kind in GGUF}
    adapters = [folder / f"adapter{number}" for number in range(ADAPTERS)]
    for number, path in enumerate(adapters):
        if not (path / "adapter_model.safetensors").is_file():
            _adapter(model, path, number)
    return {"model": str(model.resolve()), "gguf": files, "adapters": [str(path.resolve()) for path in adapters]}


def _gguf(model: Path, file: Path, kind: str) -> str:
    if not file.is_file():
        from cornucopia.export.gguf.run import export_gguf
        from cornucopia.export.plan import ExportOptions

        export_gguf(ExportOptions.build({"base": str(model), "gguf": kind, "out": str(file)}))
    return str(file.resolve())


def _adapter(model: Path, folder: Path, seed: int) -> None:
    """A LoRA with random weights on every linear map."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    base = AutoModelForCausalLM.from_pretrained(model)
    maps = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=RANK, target_modules=maps, task_type="CAUSAL_LM", init_lora_weights=False)
    get_peft_model(base, config).save_pretrained(folder)


def _training(name: str) -> Any:
    """A module of the training benchmark."""
    folder = str(HERE.parent / "training")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)
