"""Which model answers, and how it is reached: a ModelSpec with what endpoints and batches need besides."""

from __future__ import annotations

from typing import Any, Literal

from cornucopia.core.config import option
from cornucopia.models.spec import ModelSpec


class EngineSpec(ModelSpec):
    """A model that answers: a local one by its ModelSpec, or one behind an address, `base` being https://host/v1#model."""

    engine: Literal["auto", "transformers", "vllm"] = option(
        "auto", "本地模型用哪一种引擎：auto 按模型的写法选；vllm 起一个 vLLM 来答（另装，见 docs/infer.md）"
    )
    engine_args: str = option("", "vLLM：原样传给 vllm serve 的选项，如 '--tensor-parallel-size 2'")
    key_env: str | None = option(None, "接口：存放密钥的环境变量名；常见平台不必写")
    requests_per_minute: float = option(0, "接口：每分钟最多请求数，0 为不限", ge=0)
    max_retries: int = option(5, "接口：一题失败后最多重试几次", ge=0, le=20)
    timeout: float = option(120.0, "接口：一次请求最多等多少秒没有动静；一题总共最多等它的三倍", gt=0)
    concurrency: int = option(4, "接口：同时发几个请求", ge=1, le=64)
    batch_tokens: int | None = option(None, "本地模型一批最多多少词元（含填充和回答）；默认按 2 GiB 缓存估算", gt=0)
    speculate: bool = option(
        True, "本地模型：从提示和已写的文字里猜后面的词元，划算才猜，回答不变（docs/infer.md「按提示猜测」）"
    )
    tools: list[str] = option([], "让模型调用计算器：calculators 全部，或主题（贷款）、工具名；可写几个")

    @property
    def address(self) -> tuple[str, str]:
        """(endpoint, model) of a model behind an address; ("", "") of a local one."""
        endpoint, _, model = self.base.partition("#")
        return (endpoint, model) if "://" in endpoint else ("", "")

    def engine_spec(self, **changes: Any) -> EngineSpec:
        """The model's settings alone, out of a larger set of options, some of them changed."""
        kept = {name: getattr(self, name) for name in EngineSpec.model_fields}
        return EngineSpec.model_validate({**kept, **changes})
