"""How models are evaluated: which tasks, from which files, asked how. What `cornucopia eval` and a recipe hold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cornucopia.core.config import Config, option


class EvalSettings(Config):
    """Settings of an evaluation besides its models."""

    tasks: list[str] = option([], "评测集或任务名；cornucopia eval --list 列出全部")
    ask: list[Literal["likelihood", "generate", "think"]] = option(
        ["likelihood"],
        "怎样问选择题和分类题：likelihood 比选项的似然，generate 直接写答案，think 先分析再写；可以几种都要",
    )
    data_dir: str | None = option(
        None, "数据文件放在哪个文件夹（找到三层子目录为止）；默认看环境变量 CORNUCOPIA_EVAL_DATA"
    )
    download: bool = option(False, "模型站上有的评测集先下载到 --data-dir（FinanceIQ、CMMLU、BizFinBench）")
    hub: Literal["hf", "mirror", "modelscope"] | None = option(None, "从哪个站下载；不设时看 CORNUCOPIA_HUB，再默认 hf")
    include_path: list[Path] = option(
        [], "自己的任务 YAML（lm-evaluation-harness 的格式）放在哪些文件夹", split="paths"
    )
    num_fewshot: int | None = option(None, "先给几道例题；默认 0", ge=0, le=50)
    limit: int | None = option(None, "每个任务只做前多少题", gt=0)
    rotate: bool = option(False, "选择题的选项轮换着问，看换了位置还对不对")
    plain: bool = option(False, "不用模型的模板，整段文字直接续写（评没有微调过的基座；与 lm_eval 的默认相同）")
    system: str = option("", "放在最前面的系统提示")
    temperature: float | None = option(None, "采样温度；不给就是贪心", ge=0)
    max_new_tokens: int | None = option(None, "最多写多少个词元；默认由任务定", gt=0)
    processes: int = option(
        1, "几个进程分着做，每个一份模型：有几张卡时一个进程用一张，没有卡时分核；结果与一个进程相同", ge=1, le=64
    )
    seed: int = option(42, "随机种子")
    trained_on: list[Path] = option(
        [], "训练用过的数据文件或文件夹：先查里面有没有评测题，分数旁边另给去掉这些题的分数", split="paths"
    )
    fail_below: list[str] = option(
        [], "低于这个成绩就以 1 退出，如 fineval=60%（第一个模型以外的都要达到）；可写多次", split="never"
    )
