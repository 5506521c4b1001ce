"""`cornucopia infer`: a file of questions to a file of answers, on a local model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cornucopia.core.config import option
from cornucopia.core.console import say, show_table, warn
from cornucopia.core.errors import DataError, UsageError
from cornucopia.core.options import parse
from cornucopia.core.paths import bundled_model, project_root, spare_input
from cornucopia.inference.engine import Sampling

if TYPE_CHECKING:
    from cornucopia.inference.batch import AnswerFile, Summary, Task

EXAMPLES = """  cornucopia infer                                   内置模型回答 instruction_data/infer.json
  cornucopia infer 问题.jsonl --out 回答.jsonl --model base_models/llama-7b-hf --adapter runs/我的适配器
  cornucopia infer 请求.jsonl --temperature 0.7 --seed 1   OpenAI Batch 请求行得到 OpenAI Batch 应答行"""


class ModelOptions(Sampling):
    """Which model answers; shared by infer and chat."""

    model: str = option("", "基座模型：目录、base_models/ 下的名字；不给则用内置小模型", aliases=("base_model", "m"))
    adapter: str | None = option(None, "LoRA 适配器目录；不给则只用基座", aliases=("lora_weights",))
    use_lora: bool = option(True, "false 时不加载适配器")
    bits: int = option(0, "量化位数：0 不量化，8 自带，4 用 bitsandbytes")
    load_8bit: bool = option(False, "等于 --bits 8")
    dtype: str = option("auto", "权重精度：auto、float32、bfloat16、float16")
    device: str = option("auto", "设备：auto、cpu、cuda、cuda:0 …")
    template: str | None = option(
        None,
        "提示词模板名、JSON 路径或 chat；不给则用适配器自带的",
        aliases=("prompt_template", "prompt_template_name"),
    )

    def sampling(self) -> Sampling:
        """The sampling settings alone."""
        return Sampling.build({name: getattr(self, name) for name in Sampling.model_fields})

    def precision(self) -> int:
        """Bits of quantisation (0, 4 or 8).

        Raises:
            UsageError: other numbers, or --bits 4 with --load_8bit.
        """
        if self.bits not in (0, 4, 8) or (self.load_8bit and self.bits == 4):
            raise UsageError("量化位数只能是 0、4、8，且不能与 --load_8bit 矛盾", where="--bits", found=str(self.bits))
        return 8 if self.load_8bit else self.bits

    def active_adapter(self) -> str | None:
        """The adapter to load, if any."""
        return (self.adapter or None) if self.use_lora else None


class InferConfig(ModelOptions):
    """Options of `cornucopia infer`."""

    data: str = option("", "问题文件；不给则用 instruction_data/infer.json", aliases=("instruct_dir",))
    out: str | None = option(None, "输出的 JSONL；默认在输出目录里按数据、模型、适配器起名", aliases=("o",))
    output_dir: str = option("", "输出目录，--out 没给时用；默认 runs/infer")
    overwrite: bool = option(False, "从头生成，不接着已有的输出")
    limit: int | None = option(None, "只做前多少行", gt=0)
    show: bool = option(False, "最后逐条打印问题、参考答案和模型回答")
    batch_tokens: int | None = option(None, "一批最多多少词元（含填充和回答）；默认按 2 GiB 缓存估算", gt=0)
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
    model, adapter = config.model or str(bundled_model()), config.active_adapter()
    folder = Path(config.output_dir) if config.output_dir else project_root() / "runs" / "infer"
    out = Path(config.out) if config.out else folder / _default_name(data, model, adapter)
    spare_input(out, data)
    bits = config.precision()
    return _answer(config, data, model, adapter, bits, out)


def _answer(config: InferConfig, data: Path, model: str, adapter: str | None, bits: int, out: Path) -> int:
    from cornucopia.inference.batch import AnswerFile, answer_all, make_tasks
    from cornucopia.inference.local_engines import open_engines
    from cornucopia.records.read import read_records

    rejects = out.with_name(f"{out.stem}.rejects.jsonl")
    tasks = make_tasks(read_records(data, strict=config.strict, rejects=rejects), config.sampling(), config.limit)
    say(f"{data}：{len(tasks)} 行；模型 {model}{f' + {adapter}' if adapter else ''}")
    (engine,) = open_engines(
        model, [adapter], bits=bits, dtype=config.dtype, device=config.device, template=config.template,
        batch_tokens=config.batch_tokens,
    )  # fmt: skip
    file = AnswerFile(out, engine.describe(config.sampling()), overwrite=config.overwrite)
    summary = answer_all(engine, tasks, file)
    if config.show:
        for task in tasks:
            _show(task, file)
    _report(summary, out)
    if summary.failed == summary.rows:
        raise DataError("没有一行得到回答", where=str(out), found=_first_error(tasks, file))
    return 0 if summary.failed == 0 else 1


def _default_name(data: Path, model: str, adapter: str | None) -> str:
    names = [data.stem, Path(model).name]
    if adapter:
        path = Path(adapter)
        names.append(path.parent.name if path.name == "adapter" else path.name)
    return "--".join(name for name in names if name) + ".jsonl"


def _show(task: Task, file: AnswerFile) -> None:
    from cornucopia.inference.batch import reply_of

    answer = reply_of(file.rows[task.key]).answer if task.key in file.rows else ""
    print(f"###instruction###\n{task.record.question}\n")
    print(f"###golden output###\n{task.record.golden}\n")
    print(f"###model output###\n{answer}\n")


def _report(summary: Summary, out: Path) -> None:
    speed = f"{summary.speed:.1f}" if summary.new_tokens else "—"
    counts = [summary.rows, summary.kept, summary.empty, summary.cut_off, summary.failed, speed]
    show_table("推理结果", ["行数", "此前已有", "空回答", "到长度上限", "出错", "词元/秒"], [counts])
    if summary.failed:
        warn(f"{summary.failed} 行出错，原因在各行里；再运行同一条命令会重试")
    say(f"结果：{out}")


def _first_error(tasks: list[Task], file: AnswerFile) -> str:
    for task in tasks:
        row = file.rows.get(task.key, {})
        error = row.get("error") or (row.get("response") or {}).get("body", {}).get("error", {}).get("message")
        if error:
            return str(error)
    return ""
