"""Opening engines: which kind a model's name asks for, and one place where all kinds are listed.

A new kind is one file with a class that derives from Engine, and one entry in KINDS. Heavy libraries are imported when
an engine is opened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ConfigError, ModelError
from cornucopia.inference.engine import Engine
from cornucopia.inference.spec import EngineSpec
from cornucopia.models.find import find_adapter, find_model
from cornucopia.models.fingerprint import files_fingerprint


@dataclass(frozen=True)
class Kind:
    """One kind of engine.

    Args:
        takes: whether a spec asks for it.
        open: engines for specs that `together` finds equal, in their order.
        together: specs with the same value share one model in memory; None for each alone.
        identity: what decides the answers besides sampling, known before anything is opened (JSON-ready).
    """

    takes: Callable[[EngineSpec], bool]
    open: Callable[[Sequence[EngineSpec]], Sequence[Engine]]
    together: Callable[[EngineSpec], Hashable] = field(default=lambda spec: None)
    identity: Callable[[EngineSpec], dict[str, Any]] = field(default=lambda spec: {"base": spec.base})


def open_engine(spec: EngineSpec) -> Engine:
    """The engine that a spec asks for.

    Raises:
        CornucopiaError: the model is absent or damaged, the address wrong, a key missing.
    """
    (engine,) = open_alike([spec])
    return engine


def open_alike(specs: Sequence[EngineSpec]) -> list[Engine]:
    """An engine for each of several specs that share one model in memory (see `Kind.together`); with tools around it
    where a spec names some.

    Raises:
        CornucopiaError: see `open_engine`.
    """
    return [_with_tools(*pair) for pair in zip(specs, kind_of(specs[0]).open(specs), strict=True)]


def identity_of(spec: EngineSpec) -> dict[str, Any]:
    """What decides the answers besides sampling, known before anything is opened (JSON-ready)."""
    return {**kind_of(spec).identity(spec), **({"tools": spec.tools} if spec.tools else {})}


def _with_tools(spec: EngineSpec, engine: Engine) -> Engine:
    if not spec.tools:
        return engine
    from cornucopia.inference.tool_engine import ToolEngine

    return ToolEngine(engine, spec.tools)


def kind_of(spec: EngineSpec) -> Kind:
    """The first kind that takes the spec; a local model where none does."""
    return next((kind for kind in KINDS.values() if kind.takes(spec)), LOCAL)


def _open_local(specs: Sequence[EngineSpec]) -> Sequence[Engine]:
    from cornucopia.inference.local_engines import open_local

    return open_local(specs)


def _open_endpoints(specs: Sequence[EngineSpec]) -> Sequence[Engine]:
    from cornucopia.inference.openai_engine import OpenAIEngine

    keys = ("key_env", "requests_per_minute", "max_retries", "timeout", "concurrency")
    engines = []
    for spec in specs:
        endpoint, model = spec.address
        if not model:
            raise ConfigError("接口缺少模型名", where=spec.base, fix="写成 https://地址/v1#模型")
        engines.append(OpenAIEngine(endpoint, model, **{key: getattr(spec, key) for key in keys}))
    return engines


def _open_llama_cpp(specs: Sequence[EngineSpec]) -> Sequence[Engine]:
    from cornucopia.inference.llama_cpp_engine import open_llama_cpp

    return open_llama_cpp(specs)


def _gguf_files(spec: EngineSpec) -> list[str]:
    """Every byte of the file and its adapter's; one that is not there fails when it is opened."""
    from cornucopia.inference.llama_cpp_engine import find_gguf

    files = []
    for name in (spec.base, spec.adapter or ""):
        with contextlib.suppress(ModelError, OSError, ValueError):
            files += [files_fingerprint(find_gguf(name))] if name else []
    return files


def _open_vllm(specs: Sequence[EngineSpec]) -> Sequence[Engine]:
    from cornucopia.inference.vllm_server import open_vllm

    return open_vllm(specs)


def _local_identity(spec: EngineSpec) -> dict[str, Any]:
    """The spec's own words and every byte of the files they name; a file that is not there fails when it is opened."""
    finders = ((find_model, spec.base), (find_adapter, spec.adapter), (Path, spec.template))
    files = []
    for find, name in finders:
        with contextlib.suppress(ModelError, OSError, ValueError):
            files += [files_fingerprint(find(name))] if name else []
    names = ("base", "adapter", "dtype", "template", "quant_type")
    return {**{name: getattr(spec, name) for name in names}, "bits": spec.base_bits, "files": files}


def _stands_on(spec: EngineSpec) -> Hashable:
    return spec.base, spec.base_bits, spec.quant_type, spec.dtype, spec.device, spec.revision


LOCAL = Kind(lambda spec: True, _open_local, _stands_on, _local_identity)
KINDS: dict[str, Kind] = {
    "endpoint": Kind(
        lambda spec: "://" in spec.base,
        _open_endpoints,
        identity=lambda spec: dict(zip(("endpoint", "model"), spec.address, strict=True)),
    ),
    "llama.cpp": Kind(
        lambda spec: spec.base.lower().endswith(".gguf") and "://" not in spec.base,
        _open_llama_cpp,
        together=lambda spec: ("llama.cpp", spec.base, spec.device, spec.batch_tokens),
        identity=lambda spec: {**_local_identity(spec), "engine": "llama.cpp", "files": _gguf_files(spec)},
    ),
    "vllm": Kind(
        lambda spec: spec.engine == "vllm",
        _open_vllm,
        together=lambda spec: ("vllm", spec.base, spec.base_bits, spec.dtype, spec.revision, spec.engine_args),
        identity=lambda spec: {**_local_identity(spec), "engine": "vllm", "engine_args": spec.engine_args},
    ),
}
