"""What the judging of a result may be told: by whom, how, against what, and what it may cost."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from cornucopia.comparison.recipe import Contestant
from cornucopia.core.config import option
from cornucopia.core.errors import UsageError, nearest
from cornucopia.inference.paid.settings import AskingConfig

# How answers are judged and which prompt is sent -> (prompt, reader): see prompts.yaml and reading.READERS.
SHAPES = {
    ("pairwise", "mtbench"): ("pairwise", "choice"),
    ("pairwise", "vicuna"): ("scores", "scores"),
    ("graded", "mtbench"): ("ten", "ten"),
    ("graded", "belle"): ("one", "one"),
}


class JudgeSettings(AskingConfig):
    """A judging. Where to reach a judge and what it costs is the same for all judges of a run."""

    judge: list[str] = option(
        [],
        "评委，可写多次：名字=https://地址/v1#模型、名字=基座、名字=基座+适配器；名字可省。"
        "也可以是裁决文件 verdicts.jsonl 或 FastChat 的 model_judgment/*.jsonl",
        split="never",
    )
    how: Literal["pairwise", "graded"] = option(
        "pairwise", "pairwise 两个回答比高下，换个次序再问一遍；graded 每个回答单独打分"
    )
    shape: Literal["mtbench", "vicuna", "belle"] = option(
        "mtbench",
        "问法：mtbench（[[A]]，或 1 到 10 分）；vicuna（pairwise：一次给两个分数）；belle（graded：得分 0 到 1）",
    )
    baseline: str = option("", "以哪个选手为基准：pairwise 只比它和别人；不写则两两都比，graded 以第一个为基准")
    reference: bool = option(True, "有参考答案时给评委看")
    limit: int | None = option(None, "只评前多少题", gt=0)
    human: str = option("", "人的投票（votes.sqlite3）：报告里写评委与人有多一致")
    prompts: str = option("", "换成自己的提示词：YAML 文件，写法见 docs/judge.md；没写到的仍用自带的")
    temperature: float = option(0.0, "采样温度；0 为贪心", ge=0, le=2)
    max_new_tokens: int = option(2048, "一次评语最多多少词元；会先想再答的模型要写大些", aliases=("max_tokens",), gt=0)

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        if (self.how, self.shape) not in SHAPES:
            fitting = "、".join(shape for how, shape in SHAPES if how == self.how)
            raise ValueError(f"how 是 {self.how} 时，shape 应为 {fitting}")
        return self

    @property
    def prompt(self) -> str:
        """Name of the prompt that is sent."""
        return SHAPES[self.how, self.shape][0]

    @property
    def reader(self) -> str:
        """Name of the reader of the replies."""
        return SHAPES[self.how, self.shape][1]

    @property
    def most(self) -> float:
        """The best grade."""
        return 1.0 if self.reader == "one" else 10.0

    @property
    def recorded(self) -> list[str]:
        """The judges that are files of verdicts given before."""
        return [text for text in self.judge if text.endswith(".jsonl") and "://" not in text]

    def judges(self) -> dict[str, JudgeSettings]:
        """Each judge's name, and the settings with its model in them; without those that are files.

        Raises:
            ConfigError: a judge's text is no model. UsageError: none is named, or two have the same name.
        """
        texts = [text for text in self.judge or [self.base] if text and text not in self.recorded]
        if not (texts or self.recorded):
            raise UsageError("没有评委", fix="加 --judge https://地址/v1#模型，本地模型写文件夹或名字")
        found: dict[str, JudgeSettings] = {}
        for text in texts:
            one = Contestant.parse(text)
            base = f"{one.endpoint}#{one.model}" if one.endpoint else one.base
            model: dict[str, Any] = {"base": base, "adapter": one.adapter or self.adapter}
            name = one.name or one.model or (one.adapter or one.base).rstrip("/").rpartition("/")[2]
            if name in found:
                raise UsageError("两个评委同名", found=name, fix="写成 名字=模型，名字各不相同")
            found[name] = self.model_copy(update=model)
            found[name].check_model()
        return found

    def baseline_of(self, names: list[str]) -> str:
        """The contestant that others are compared with, '' for all pairs.

        Raises:
            UsageError: there is none of that name.
        """
        if self.baseline and self.baseline not in names:
            close = nearest(self.baseline, names)
            fix = f"最接近的是 {close}" if close else f"选手有：{'、'.join(names)}"
            raise UsageError("没有这个选手", where="--baseline", found=self.baseline, fix=fix)
        return self.baseline
