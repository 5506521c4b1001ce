"""`cornucopia infer`: a file of questions to a file of answers, on a local model or behind an address."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cornucopia.core.config import option
from cornucopia.core.console import say, show_table, warn
from cornucopia.core.errors import DataError
from cornucopia.core.options import parse
from cornucopia.core.paths import bundled_model, project_root, spare_input
from cornucopia.inference.engine import Engine, Sampling
from cornucopia.inference.open_engine import open_engine
from cornucopia.inference.providers import check_key
from cornucopia.inference.spec import EngineSpec

if TYPE_CHECKING:
    from cornucopia.inference.batch import AnswerFile, Summary, Task

EXAMPLES = """  cornucopia infer                                   内置模型回答 instruction_data/infer.json
  cornucopia infer 问题.jsonl --out 回答.jsonl --model base_models/llama-7b-hf --adapter runs/我的适配器
  cornucopia infer 问题.jsonl --model https://dashscope.aliyuncs.com/compatible-mode/v1#qwen-plus
  cornucopia infer 请求.jsonl --temperature 0.7 --seed 1   OpenAI Batch 请求行得到 OpenAI Batch 应答行"""


class ModelOptions(EngineSpec, Sampling):
    """Which model answers, and how; shared by infer and chat."""

    use_lora: bool = option(True, "false 时不加载适配器")
    allow_key: list[str] = option([], "允许把密钥变量发给没有登记的地址：变量名=主机", split="never")

    def open(self) -> Engine:
        """The engine.

        Raises:
            CornucopiaError: it cannot be opened, or a key would go where it does not belong.
        """
        endpoint, _ = self.address
        if endpoint:
            typed = f"{self.key_env}={endpoint.partition('://')[2]}"  # who types both means it
            check_key(endpoint, self.key_env, [*self.allow_key, typed.partition("/")[0]])
        engine = open_engine(self.engine_spec(adapter=self.active_adapter()))
        if engine.describe(self.sampling()).get("template_source") == "default" and not self.active_adapter():
            nano = "；nano 练过的写法是 --template nano" if self.is_bundled else ""
            warn(f"这个基座没有自带的提示词写法，用的是 fin_template：没有按它微调过，多半答非所问。加 --adapter{nano}")
        return engine

    def active_adapter(self) -> str | None:
        """The adapter to load, if any."""
        return (self.adapter or None) if self.use_lora else None

    @property
    def is_bundled(self) -> bool:
        """Whether the base is the bundled small model."""
        return self.base == "nano" or Path(self.base).resolve() == bundled_model().resolve()

    @property
    def shown(self) -> str:
        """The model in words."""
        return " + ".join(part for part in (self.base, self.active_adapter()) if part)


class InferConfig(ModelOptions):
    """Options of `cornucopia infer`."""

    data: str = option("", "问题文件；不给则用 instruction_data/infer.json", aliases=("instruct_dir",))
    out: str | None = option(None, "输出的 JSONL；默认在输出目录里按数据、模型、适配器起名", aliases=("o",))
    output_dir: str = option("runs/infer", "输出目录，--out 没给时用")
    overwrite: bool = option(False, "从头生成，不接着已有的输出")
    limit: int | None = option(None, "只做前多少行", gt=0)
    show: bool = option(False, "最后逐条打印问题、参考答案和模型回答")
    strict: bool = option(False, "有坏行就报错停下，不跳过")


def run(argv: list[str]) -> int:
    """Run `cornucopia infer`; 0 when every row has an answer, 1 when some have not."""
    config, _ = parse(
        InferConfig, argv, prog="cornucopia infer", positional="data",
        positional_help="问题文件：Alpaca、ShareGPT、OpenAI messages、CSV、TXT（一行一问）、OpenAI Batch 请求行……",
        summary="批量推理：一个文件进，JSONL 出。中断后再运行同一条命令就接着做，结果与没中断过一样。",
        examples=EXAMPLES,
    )  # fmt: skip
    data = Path(config.data) if config.data else project_root() / "instruction_data" / "infer.json"
    out = Path(config.out) if config.out else Path(config.output_dir) / _default_name(data, config)
    spare_input(out, data)
    return _answer(config, data, out)


def _answer(config: InferConfig, data: Path, out: Path) -> int:
    from cornucopia.inference.batch import AnswerFile, answer_all, make_tasks
    from cornucopia.records.read import read_records

    rejects = out.with_name(f"{out.stem}.rejects.jsonl")
    tasks = make_tasks(read_records(data, strict=config.strict, rejects=rejects), config.sampling(), config.limit)
    say(f"{data}：{len(tasks)} 行；模型 {config.shown}")
    engine = config.open()
    file = AnswerFile(out, engine.describe(config.sampling()), overwrite=config.overwrite)
    summary = answer_all(engine, tasks, file)
    if config.show:
        for task in tasks:
            _show(task, file)
    _report(summary, out)
    if summary.failed == summary.rows:
        raise DataError("没有一行得到回答", where=str(out), found=_first_error(tasks, file))
    return 0 if summary.failed == 0 else 1


def _default_name(data: Path, config: InferConfig) -> str:
    names = [data.stem, Path(config.address[1] or config.base).name]
    if adapter := config.active_adapter():
        path = Path(adapter)
        names.append(path.parent.name if path.name == "adapter" else path.name)
    return "--".join(name for name in names if name) + ".jsonl"


def _show(task: Task, file: AnswerFile) -> None:
    from cornucopia.inference.batch import reply_of

    row = file.get(task.key)
    print(f"###instruction###\n{task.record.question}\n")
    print(f"###golden output###\n{task.record.golden}\n")
    print(f"###model output###\n{reply_of(row).answer if row else ''}\n")


def _report(summary: Summary, out: Path) -> None:
    speed = f"{summary.speed:.1f}" if summary.new_tokens else "—"
    counts = [summary.rows, summary.kept, summary.empty, summary.cut_off, summary.failed, speed]
    show_table("推理结果", ["行数", "此前已有", "空回答", "到长度上限", "出错", "词元/秒"], [counts])
    if summary.failed:
        warn(f"{summary.failed} 行出错，原因在各行里；再运行同一条命令会重试")
    say(f"结果：{out}")


def _first_error(tasks: list[Task], file: AnswerFile) -> str:
    from cornucopia.inference.batch import reply_of

    rows = [row for task in tasks if (row := file.get(task.key))]
    return next((error for row in rows if (error := reply_of(row).error)), "")
