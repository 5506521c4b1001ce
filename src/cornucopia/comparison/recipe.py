"""What a comparison is made of: contestants, questions, sampling. Knows no engine and no network."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError, UsageError
from cornucopia.core.jsonl import mended
from cornucopia.inference.engine import Sampling
from cornucopia.inference.open_engine import identity_of
from cornucopia.inference.spec import EngineSpec


class Contestant(EngineSpec):
    """One column: a model that answers, with a name, and a system prompt and sampling of its own."""

    base: str = option("", "基座模型的文件夹或名字", aliases=("base_model", "model_name_or_path"))
    name: str = option("", "列名；留空则取适配器、基座或模型的名字")
    endpoint: str = option("", "OpenAI 兼容接口的地址，如 https://api.deepseek.com")
    model: str = option("", "接口上的模型名")
    system: str | None = option(None, "系统提示；不写则用共用的")
    sampling: dict[str, Any] = option({}, "只对它生效的采样设置")

    @classmethod
    def parse(cls, text: str) -> Contestant:
        """`名字=BASE[+ADAPTER]` or `名字=https://host/v1#model`; the name may be left out.

        Raises:
            ConfigError: if it is neither.
        """
        head, equals, rest = text.partition("=")
        name, body = (head.strip(), rest.strip()) if equals and "://" not in head else ("", text.strip())
        if not body:
            raise ConfigError(
                "选手写法有误", found=text, fix="写成 名字=基座 、名字=基座+适配器 或 名字=https://地址/v1#模型"
            )
        if body.endswith((".yaml", ".yml")):
            raise ConfigError(
                "配方文件被当成了选手", found=text, fix="配方写在最前面：cornucopia compare 配方.yaml --contestant ..."
            )
        if "://" in body:
            endpoint, _, model = body.partition("#")
            return cls.build({"name": name, "endpoint": endpoint, "model": model}, where=f"选手 {text}")
        base, plus, adapter = (body, "", "") if _exists(body) else body.rpartition("+")
        if plus and not (base.strip() and adapter.strip()):
            empty = "适配器" if base.strip() else "基座"
            fix = "命令里的变量可能没有设值；只要基座就去掉 +"
            raise ConfigError(f"+ 旁边的{empty}是空的", where=f"选手 {text}", fix=fix)
        values = {"base": base, "adapter": adapter} if plus else {"base": body}
        return cls.build({"name": name, **values}, where=f"选手 {text}")


class _Task(Config):
    questions: str = option(..., "问题文件：任何能训练的格式，带参考答案才有分数", aliases=("instruct_dir",))
    output_dir: str = option("runs/compare", "结果文件夹：answers.jsonl、answers.md、report.html")
    contestants: list[Contestant] = option([], "配方里的选手表；命令行请用 --contestant")
    contestant: list[str] = option(
        [], "加一个选手，可写多次：名字=基座、名字=基座+适配器、名字=https://地址/v1#模型", split="never"
    )
    kinds: list[str] = option([], "只比这些类型的题（问题文件里的 kind），如 calc、conduct；留空都比")
    baseline: str = option("", "以哪个选手为基准，差值都与它比；不写就是第一个")
    judge: list[str] = option(
        [], "答完请这个模型当评委，可写多次：名字=https://地址/v1#模型 或 名字=基座；见 cornucopia judge", split="never"
    )
    judging: dict[str, Any] = option(
        {}, "评委的其他设置，名字同 cornucopia judge：--judging.how graded、--judging.yes true"
    )
    limit: int | None = option(None, "只比前多少题", gt=0)
    fail_below: list[str] = option(
        [], "成绩不够就以退出码 1 结束，供 CI 用，可写多次：指标=值 或 选手:指标=值，如 f1=0.3、调优后:numbers=80%。"
        "不写选手则查除第一个（基准）外的所有选手；越低越好的指标查的是高于", split="never",
    )  # fmt: skip
    system: str = option("", "给所有选手的系统提示")
    title: str = option("", "报告标题")
    device: str = option("auto", "本地模型用哪个设备：auto、cpu、cuda、cuda:1")
    batch_tokens: int | None = option(None, "本地模型一批最多多少个词元；不写则按缓存估算", gt=0)


class CompareRecipe(Sampling, _Task):
    """A whole comparison. The sampling settings written at the top are shared by all contestants."""

    @classmethod
    def load(cls, path: str | Path | None, overrides: dict[str, Any] | None = None) -> Self:
        """See Config; a path that is not in the current folder is also looked for beside the recipe."""
        recipe = super().load(path, overrides)
        if path:
            folder = Path(path).parent
            recipe.questions = _beside(recipe.questions, folder) or recipe.questions
            for contestant in recipe.contestants:
                contestant.base = _beside(contestant.base, folder, "config.json") or ""
                contestant.adapter = _beside(contestant.adapter, folder, "adapter_config.json")
                contestant.template = _beside(contestant.template, folder)
        return recipe

    @model_validator(mode="before")
    @classmethod
    def _add_contestants(cls, values: Any) -> Any:
        """The recipe's contestants first, then those of the command line."""
        listed, added = values.get("contestants", []), values.get("contestant", [])
        if not isinstance(listed, list) or not isinstance(added, list):
            return values
        return {**values, "contestants": [*listed, *added], "contestant": []}

    @field_validator("contestants", mode="before")
    @classmethod
    def _read_contestants(cls, values: Any) -> Any:
        if not isinstance(values, list):
            return values
        return _named([_contestant(value, number) for number, value in enumerate(values, 1)])

    @model_validator(mode="after")
    def _baseline_first(self) -> Self:
        """Everything that compares does so with the first contestant."""
        names = [contestant.name for contestant in self.contestants]
        if self.baseline in names[1:]:
            place = names.index(self.baseline)
            self.contestants.insert(0, self.contestants.pop(place))
        return self

    def sampling_of(self, contestant: Contestant) -> Sampling:
        """Shared sampling settings with the contestant's own laid over them."""
        shared = {key: getattr(self, key) for key in Sampling.model_fields}
        return Sampling.build({**shared, **contestant.sampling}, where=f"选手 {contestant.name} 的 sampling")

    def engine_of(self, contestant: Contestant) -> EngineSpec:
        """What to open for a contestant, the comparison's device and batch size where it names none."""
        address = f"{contestant.endpoint}#{contestant.model}" if contestant.endpoint else contestant.base
        device = self.device if contestant.device == "auto" else contestant.device
        return contestant.engine_spec(
            base=address, device=device, batch_tokens=contestant.batch_tokens or self.batch_tokens
        )

    def settings_of(self, contestant: Contestant) -> dict[str, Any]:
        """Everything that would change the contestant's answers, JSON-ready and without secrets."""
        spec = self.engine_of(contestant)
        return {
            **identity_of(spec),
            "system": self.system if contestant.system is None else contestant.system,
            "sampling": self.sampling_of(contestant).model_dump(exclude_none=True),
        }

    def fingerprint_of(self, contestant: Contestant) -> str:
        """SHA-256 (16 hex digits) of the settings and of the files they name."""
        text = mended(json.dumps(self.settings_of(contestant), ensure_ascii=False, sort_keys=True))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def check(recipe: CompareRecipe) -> CompareRecipe:
    """The recipe, if it can be run.

    Raises:
        UsageError: no contestants, or no such baseline. ConfigError: a wrong sampling setting of one.
    """
    if not recipe.contestants:
        raise UsageError("没有选手", fix="加 --contestant 名字=基座+适配器 ，或在配方里写 contestants:")
    if recipe.baseline not in ("", recipe.contestants[0].name):
        names = "、".join(contestant.name for contestant in recipe.contestants)
        raise UsageError("没有这个选手", where="--baseline", found=recipe.baseline, fix=f"选手有：{names}")
    for contestant in recipe.contestants:
        recipe.sampling_of(contestant)
    return recipe


def _beside(name: str | None, folder: Path, holds: str = "") -> str | None:
    """The place of that name beside the recipe (holding a certain file), where the current folder has none."""
    if name and "://" not in name and not _exists(name) and _exists(str(folder / name / holds)):
        return str(folder / name)
    return name


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except (OSError, ValueError):  # too long, or a character no file name may have
        return False


def _contestant(value: Any, number: int) -> Contestant:
    if isinstance(value, str):
        contestant = Contestant.parse(value)
    elif isinstance(value, dict):
        contestant = Contestant.build(value, where=f"第 {number} 个选手")
    elif isinstance(value, Contestant):
        contestant = value
    else:
        raise ConfigError(
            "选手写法有误", where=f"第 {number} 个选手", found=repr(value), fix="写 name、base、adapter 等键"
        )
    where = f"第 {number} 个选手 {contestant.name}".strip()
    if "://" in contestant.base and not contestant.endpoint:
        contestant.endpoint, _, contestant.model = contestant.base.partition("#")
        contestant.base = ""
    if bool(contestant.base) == bool(contestant.endpoint):
        raise ConfigError("选手要写 base 或 endpoint，且只写一个", where=where)
    if contestant.endpoint:
        _check_endpoint(contestant, where)
    return contestant


def _check_endpoint(contestant: Contestant, where: str) -> None:
    parts = urlsplit(contestant.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("接口地址有误", where=where, found=contestant.endpoint, fix="以 http:// 或 https:// 开头")
    if parts.username or parts.password or parts.query:
        raise ConfigError("接口地址里不要带密钥", where=where, fix="把密钥放进环境变量，用 key_env 写变量名")
    if not contestant.model:
        raise ConfigError("接口选手缺少模型名", where=where, fix="写成 名字=https://地址/v1#模型，或加 model: 一行")


def _named(contestants: list[Contestant]) -> list[Contestant]:
    """Each contestant with a name of its own."""
    seen: set[str] = set()
    for contestant in contestants:
        if not contestant.name:
            contestant.name = contestant.model or Path(contestant.adapter or contestant.base).name
        if contestant.name in seen:
            raise ConfigError("两个选手同名", found=contestant.name, fix="给每个选手不同的名字：名字=基座+适配器")
        seen.add(contestant.name)
    return contestants
