"""llama.cpp as an engine: GGUF files, 4 bits and up, on a laptop. A server of our own process's child, in xllamacpp.

The file's own chat template makes the prompts. Settings that are left open mean what they mean elsewhere here (greedy,
nothing cut off), not llama.cpp's defaults. A crash in llama.cpp ends the child, never us.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError, ModelError, nearest
from cornucopia.core.paths import project_root
from cornucopia.inference.child_server import ChildServer
from cornucopia.inference.engine import Limits, Sampling
from cornucopia.inference.openai_engine import OpenAIEngine
from cornucopia.inference.providers import body_of
from cornucopia.inference.spec import EngineSpec
from cornucopia.models.fingerprint import files_fingerprint
from cornucopia.models.load import DEFAULT_NEW_TOKENS
from cornucopia.records.schema import Record

CONTEXT = 8192  # tokens of all requests together where `batch_tokens` says nothing
KEY = "CORNUCOPIA_LLAMA_KEY"
INSTALL = 'pip install "cornucopia-fin[gguf]"（在项目里：pip install -e ".[gguf]"）'


class LlamaCppEngine(OpenAIEngine):
    """A GGUF file, alone or with one of the adapters that were loaded with it.

    Args:
        server: the running server.
        file: the model.
        adapter: the adapter's file and its number there, or None.
        slots: requests that are worked on at a time.
    """

    def __init__(self, server: ChildServer, file: Path, adapter: tuple[Path, int] | None, slots: int) -> None:
        super().__init__(f"{str(server.client.base_url).rstrip('/')}/v1", file.name, concurrency=slots, max_retries=0)
        self.server, self._file, self._adapter = server, file, adapter
        self._client = server.client
        self._context = int(self._asked("/props")["default_generation_settings"]["n_ctx"])

    def describe(self, sampling: Sampling) -> dict[str, Any]:
        """The files' bytes and the settings."""
        files = [self._file, *([self._adapter[0]] if self._adapter else [])]
        told = [f"{file.name}:{files_fingerprint(file)}" for file in files]
        return {"engine": "llama.cpp", "files": told, "sampling": _parameters(sampling)}

    def limits(self) -> Limits:
        """It streams, calls tools as far as the file's template does, and holds to a JSON schema."""
        return Limits(self._context, self.concurrency, streams=True, tools=True, schemas=True)

    def prompt_length(self, record: Record) -> int:
        """Tokens of the conversation as the file's template writes it."""
        prompt = self._asked("/apply-template", body_of(record))["prompt"]
        return len(self._asked("/tokenize", {"content": prompt, "add_special": True})["tokens"])

    def prompt_limit(self, sampling: Sampling) -> int:
        """Most tokens a prompt may have, so that an answer still fits the context."""
        wanted = sampling.max_new_tokens or DEFAULT_NEW_TOKENS
        return self._context - max(1, min(wanted, self._context // 4))

    def settings(self, sampling: Sampling) -> Sampling:
        """What is left open is greedy decoding of at most DEFAULT_NEW_TOKENS tokens."""
        sampled = bool(sampling.temperature) if sampling.do_sample is None else sampling.do_sample
        most = sampling.max_new_tokens or DEFAULT_NEW_TOKENS
        return sampling.model_copy(update={"do_sample": sampled, "max_new_tokens": most})

    def _body(self, record: Record, sampling: Sampling) -> dict[str, Any]:
        chosen = [{"id": self._adapter[1], "scale": 1.0}] if self._adapter else []
        return {"model": self.model, **body_of(record), **_parameters(sampling), "lora": chosen, "cache_prompt": True}

    def _asked(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        with self.server.asking():
            response = self._client.get(path) if body is None else self._client.post(path, json=body)
        if response.is_error:
            raise ModelError("llama.cpp 拒绝了请求", where=path, found=response.text[:200])
        return dict(response.json())


def _parameters(sampling: Sampling) -> dict[str, Any]:
    """The settings by llama.cpp's names, each of them said: its own defaults sample."""
    if (sampling.num_beams or 1) > 1:
        raise ConfigError(
            "llama.cpp 没有束搜索", where="num_beams", fix="去掉 --num-beams，或用 Transformers 的模型目录"
        )
    sampled = sampling.do_sample is not False and bool(sampling.temperature or sampling.do_sample)
    heat = 1.0 if sampling.temperature is None else sampling.temperature
    fields: dict[str, Any] = {
        "temperature": heat if sampled else 0.0,
        "top_k": sampling.top_k or 0,
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        "min_p": sampling.min_p or 0.0,
        "repeat_penalty": sampling.repetition_penalty or 1.0,
        "seed": sampling.seed % 2**32,
        "max_tokens": sampling.max_new_tokens or DEFAULT_NEW_TOKENS,
    }
    if sampling.stop:
        fields["stop"] = sampling.stop
    if sampling.json_schema:
        fields["json_schema"] = json.loads(sampling.json_schema)
    return fields


def find_gguf(name: str) -> Path:
    """The file, in the current folder or in base_models/.

    Raises:
        ModelError: there is none.
    """
    home = project_root() / "base_models"
    for path in (Path(name).expanduser(), home / name):
        if path.is_file():
            return path
    close = nearest(Path(name).name, [path.name for path in home.glob("*.gguf")])
    fix = f"最接近的是 {close}" if close else "cornucopia export --gguf 写一个，或 cornucopia models pull 下载"
    raise ModelError("找不到 GGUF 文件", where=name, fix=fix)


def open_llama_cpp(specs: Sequence[EngineSpec]) -> list[LlamaCppEngine]:
    """Open one file with all the adapters that the specs name; an engine for each.

    Raises:
        CornucopiaError: a file is absent or damaged, a setting is not llama.cpp's, or xllamacpp is not installed.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigError("GGUF 文件要用 xllamacpp（llama.cpp）", fix=INSTALL)
    spec = specs[0]
    for name, wrong in (("template", spec.template), ("bits", spec.base_bits), ("revision", spec.revision)):
        if wrong:
            fix = f"去掉 {name}：量化和聊天模板都在 GGUF 文件里"
            raise ConfigError(f"GGUF 文件不用 {name}", where=spec.base, found=str(wrong), fix=fix)
    file = find_gguf(spec.base)
    adapters = list(dict.fromkeys(each.adapter for each in specs if each.adapter))
    for adapter in adapters:
        if not adapter.lower().endswith(".gguf") or not Path(adapter).is_file():
            fix = "先并进基座：cornucopia export --gguf；或给 .gguf 的 LoRA 文件"
            raise ModelError("GGUF 基座的适配器也要是 GGUF 文件", where=adapter, fix=fix)
    slots, threads = max(each.concurrency for each in specs), len(os.sched_getaffinity(0))
    words = [str(file), str(spec.batch_tokens or CONTEXT), str(threads), str(slots), spec.device, *adapters]
    command = [sys.executable, "-m", "cornucopia.inference.llama_cpp_server"]
    server = ChildServer("llama.cpp", lambda port: [*command, str(port), *words], {}, KEY)
    numbered = {adapter: (Path(adapter), number) for number, adapter in enumerate(adapters)}
    return [LlamaCppEngine(server, file, numbered.get(each.adapter or ""), slots) for each in specs]
