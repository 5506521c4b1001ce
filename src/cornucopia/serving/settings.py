"""What a server is told: which models under which ids, where it listens, whom it lets in, and its limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import field_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError
from cornucopia.inference.request import Sampling
from cornucopia.inference.spec import EngineSpec

HERE = ("127.0.0.1", "localhost", "::1")


class ServedModel(EngineSpec):
    """One model id and what answers under it."""

    id: str = option("", "对外的模型名；不写则取适配器、基座或接口上模型的名字")
    sampling: dict[str, Any] = option({}, "请求没写时用的采样设置，如 {temperature: 0.7}")
    embeddings: bool = option(False, "允许 /v1/embeddings：末层隐状态取平均；只有按这种用法练过的模型才有意义")

    @classmethod
    def parse(cls, text: str) -> ServedModel:
        """`名字=BASE[+ADAPTER]`, or `名字=https://host/v1#model`; the name may be left out.

        Raises:
            ConfigError: if it is neither.
        """
        head, equals, rest = text.partition("=")
        name, body = (head.strip(), rest.strip()) if equals and "://" not in head else ("", text.strip())
        plain = "://" in body or Path(body).exists()
        base, plus, adapter = (body, "", "") if plain else body.rpartition("+")
        if not body or (plus and not (base.strip() and adapter.strip())):
            fix = "写成 名字=基座 、名字=基座+适配器 或 名字=https://地址/v1#模型"
            raise ConfigError("模型的写法有误", where="--model", found=text, fix=fix)
        values = {"base": base, "adapter": adapter} if plus else {"base": body}
        return cls.build({"id": name, **values}, where=f"--model {text}")

    @property
    def own_name(self) -> str:
        """The id, or a name made from what it is."""
        if self.id or self.address[1]:
            return self.id or self.address[1]
        path = Path(self.adapter or self.base)
        return path.parent.name if path.name == "adapter" else path.name

    def own_sampling(self) -> Sampling:
        """Its sampling settings.

        Raises:
            ConfigError: one is unknown or wrong.
        """
        return Sampling.build(self.sampling, where=f"模型 {self.own_name} 的 sampling")


class ServeSettings(Config):
    """A server; the command line of `cornucopia serve`, and its YAML."""

    model: list[str] = option(
        [], "对外的模型，可写多次：名字=基座、名字=基座+适配器、名字=文件.gguf、名字=https://地址/v1#模型；默认 nano",
        aliases=("m", "base", "base_model"), split="never",
    )  # fmt: skip
    models: list[ServedModel] = option([], "YAML 里的模型表；命令行请用 --model")
    adapter: str | None = option(None, "只有一个 --model 时它的适配器", aliases=("lora_weights",))
    template: str | None = option(None, "没有另写的模型用的模板", aliases=("prompt_template",))
    dtype: str = option("auto", "没有另写的模型的数据类型：auto、float32、bfloat16、float16")
    device: str = option("auto", "没有另写的模型用的设备：auto、cpu、cuda、cuda:1 …")
    host: str = option("127.0.0.1", "监听的地址；不是本机时必须有密钥")
    port: int = option(8000, "端口；0 为任选一个空的", ge=0, le=65535)
    keys_file: Path | None = option(None, "密钥文件：一行一个，「名字=密钥」或只写密钥，# 起头是注释")
    keys_env: str = option("CORNUCOPIA_SERVE_KEYS", "密钥的环境变量名；多个用逗号隔开，写法同密钥文件")
    requests_per_minute: float = option(0, "每个密钥每分钟最多请求数，0 为不限", ge=0)
    max_queue: int = option(512, "一个模型最多有多少个请求在答或在等，再多就回 429", ge=1)
    timeout: float = option(600.0, "一个请求从收到到答完最多多少秒，到时就停", gt=0)
    max_body_mb: float = option(32.0, "请求正文最多多少 MB（图片在里面）", gt=0)
    memory_gb: float | None = option(None, "模型最多占多少 GB，装不下就请出最久没用的；默认为启动时空闲的八成", gt=0)
    grace: float = option(60.0, "停止时最多等正在答的请求多少秒", ge=0)
    state: Path = option(Path("serve"), "网页的对话记录、投票等放在哪个文件夹，第一次用到时建")
    arena: Path | None = option(None, "网页竞技场里也投已有的比较：cornucopia compare 的结果文件夹")
    board: bool = option(True, "训练页：看这台机器的训练，从网页启动训练；--no-board 关掉")
    runs: Path = option(Path("runs"), "训练页看哪个文件夹里的训练，新的也放在里面")
    max_upload_mb: float = option(512.0, "训练页最多收多大的数据文件，MB", gt=0)
    log_contents: bool = option(False, "日志里写出问题和回答；默认只记长短、用时和状态")

    @field_validator("models", mode="before")
    @classmethod
    def _read_models(cls, values: Any) -> Any:
        if not isinstance(values, list):
            return values
        return [
            ServedModel.build(value, where=f"models 第 {number} 项") if isinstance(value, dict) else value
            for number, value in enumerate(values, 1)
        ]

    @property
    def open_to_others(self) -> bool:
        """Whether it listens beyond this machine."""
        return self.host not in HERE

    def table(self) -> dict[str, ServedModel]:
        """Every model by its id, in the order given.

        Raises:
            ConfigError: no name can be made, or two have the same.
        """
        words = self.model or ([] if self.models else ["nano"])
        found: dict[str, ServedModel] = {}
        for model in [*self.models, *map(ServedModel.parse, words)]:
            filled = self._filled(model)
            name = filled.own_name
            if not name or name in found:
                fix = "给每个模型写一个名字：--model 名字=基座，YAML 里写 id"
                raise ConfigError("模型没有名字" if not name else "两个模型同名", where="models", found=name, fix=fix)
            filled.own_sampling()
            found[name] = filled
        if self.adapter and len(found) > 1:
            raise ConfigError("--adapter 只能配一个 --model", found=f"{len(found)} 个模型", fix="写 名字=基座+适配器")
        return found

    def _filled(self, model: ServedModel) -> ServedModel:
        """The model with what is said for all where it says nothing."""
        changes: dict[str, Any] = {}
        for name, unset in (("adapter", None), ("template", None), ("dtype", "auto"), ("device", "auto")):
            if getattr(model, name) == unset:
                changes[name] = getattr(self, name)
        if model.base == "nano" and not (changes.get("adapter") or model.adapter or changes.get("template", True)):
            changes["template"] = "nano"  # the prompt that the bundled base was built with; it knows no other
        return model.model_copy(update=changes)

    @classmethod
    def load(cls, path: str | Path | None, overrides: dict[str, Any] | None = None) -> Self:
        """See Config; a model's path that is not in the current folder is also looked for beside the file."""
        settings = super().load(path, overrides)
        for model in settings.models if path else []:
            for name, marker in (("base", "config.json"), ("adapter", "adapter_config.json"), ("template", "")):
                given = getattr(model, name)
                beside = Path(str(path)).parent / (given or "")
                if (
                    given
                    and not Path(given).exists()
                    and (beside.is_file() or (marker and (beside / marker).is_file()))
                ):
                    setattr(model, name, str(beside))
        return settings
