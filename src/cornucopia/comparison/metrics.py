"""What is measured of one answer, in plain Python. Knows no contestants and no statistics.

Each metric of an answer is a pair (numerator, denominator); a contestant's value is a function of the ratio of the two
sums. So a mean (denominator 1), perplexity (nats over tokens) and speed (tokens over seconds) are treated alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cornucopia.comparison.doubts import answered, doubts, number_score
from cornucopia.core.text_scores import character_f1, rouge_l

Pair = tuple[float, float]


def repetition(text: str, size: int = 4) -> float:
    """Share of the text's character n-grams that repeat an earlier one; 0 when it has fewer than two."""
    grams = [text[start : start + size] for start in range(len(text) - size + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


@dataclass(frozen=True)
class Metric:
    """One column of the summary.

    Args:
        key: stable name in files; label: what the user reads.
        help: what it is, one Chinese sentence.
        of: cell -> (numerator, denominator), or None when the cell has no such value.
        better: "up", "down" or "" when neither end is better.
        percent: shown as a percentage.
        digits: decimals shown.
    """

    key: str
    label: str
    help: str
    of: Callable[[dict[str, Any]], Pair | None]
    better: str = ""
    percent: bool = False
    digits: int = 2

    def value(self, numerator: Any, denominator: Any) -> Any:
        """The metric from its sums (numbers or numpy arrays)."""
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = np.asarray(numerator, dtype=float) / denominator
            return np.exp(ratio) if self.key == "perplexity" else ratio

    def show(self, value: float | None, *, sign: bool = False) -> str:
        """Text of a value; "—" when there is none."""
        if value is None or math.isnan(value):
            return "—"
        plus = "+" if sign else ""
        if self.percent:
            share = 100 * value
            return f"{share:{plus}.{1 if 0 < abs(share) < 9.95 else 0}f}%"
        if not math.isfinite(value) or abs(value) >= 1e6:
            return f"{value:{plus}.2g}"
        digits = self.digits if abs(value) < 1000 else 0
        return f"{round(value, digits) + 0.0:{plus},.{digits}f}"  # + 0.0: no negative zero


def _of_answer(measure: Callable[[dict[str, Any]], float]) -> Callable[[dict[str, Any]], Pair | None]:
    return lambda cell: (float(measure(cell)), 1.0) if answered(cell) else None


def _against_golden(score: Callable[[str, str], float]) -> Callable[[dict[str, Any]], Pair | None]:
    return lambda cell: (score(cell["answer"], cell["golden"]), 1.0) if answered(cell) and cell.get("golden") else None


def _numbers(cell: dict[str, Any]) -> Pair | None:
    score = number_score(cell)
    return (score.share, 1.0) if score and score.share is not None else None


def _doubts(cell: dict[str, Any]) -> Pair | None:
    found = doubts(cell)
    return None if found is None else (float(bool(found)), 1.0)


def _golden_loss(cell: dict[str, Any]) -> Pair | None:
    tokens, loss = cell.get("golden_tokens") or 0, cell.get("golden_nll")
    return (float(loss), float(tokens)) if answered(cell) and tokens and loss is not None else None


def _tokens(cell: dict[str, Any]) -> Pair | None:
    tokens = (cell.get("prompt_tokens") or 0) + (cell.get("completion_tokens") or 0)
    return (float(tokens), 1.0) if answered(cell) and tokens else None


def _seconds(cell: dict[str, Any]) -> Pair | None:
    seconds = cell.get("seconds") or 0
    return (float(seconds), 1.0) if answered(cell) and seconds > 0 else None


def _speed(cell: dict[str, Any]) -> Pair | None:
    tokens, seconds = cell.get("completion_tokens") or 0, cell.get("seconds") or 0
    return (float(tokens), float(seconds)) if answered(cell) and tokens and seconds > 0 else None


METRICS = (
    Metric("f1", "字符F1", "回答与参考答案共有的字有多少，0 到 1", _against_golden(character_f1), "up"),
    Metric("rouge_l", "ROUGE-L", "回答与参考答案按顺序共有的字有多少，0 到 1", _against_golden(rouge_l), "up"),
    Metric("numbers", "数字正确率",
           "参考答案里的数字说对了几成，说错的要扣分，一个不说得 0；计算题由计算器判，全对得 1，否则得 0",
           _numbers, "up", percent=True),
    Metric("doubts", "疑似说错", "回答里有数字与参考答案、计算器或手册的事实疑似相矛盾的题占多少",
           _doubts, "down", percent=True),
    Metric("perplexity", "参考困惑度", "模型对参考答案的困惑度，越低越熟悉；词表不同的模型之间不可比",
           _golden_loss, "down"),
    Metric("length", "平均字数", "回答的字符数", _of_answer(lambda cell: len(cell["answer"])), digits=0),
    Metric("repetition", "重复", "回答里重复出现的四字片段占多少",
           _of_answer(lambda cell: repetition(cell["answer"])), "down", percent=True),
    Metric("empty", "空答", "没有内容的回答占多少",
           _of_answer(lambda cell: not cell["answer"].strip()), "down", percent=True),
    Metric("cut_off", "截断", "到长度上限还没说完的回答占多少",
           _of_answer(lambda cell: cell.get("finish_reason") == "length"), "down", percent=True),
    Metric("tokens", "词元/题", "平均一题用掉多少词元，题目与回答相加；接口按它计费", _tokens, digits=0),
    Metric("seconds", "秒/题", "平均一题多少秒；接口是一次请求等多久，本地模型是分摊到的时间", _seconds, digits=1),
    Metric("speed", "词元/秒", "每秒生成多少词元；与机器、批大小和回答长短有关", _speed, digits=1),
)  # fmt: skip
