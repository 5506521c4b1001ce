"""Which stages and sources there are: name -> "module:class". Adding one is a file and a row here."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cornucopia.core.errors import ConfigError, nearest

STAGES: dict[str, str] = {
    "clean": "cornucopia.records.clean.stage:Clean",
    "redact": "cornucopia.records.privacy.stage:Redact",
    "decontaminate": "cornucopia.records.decontaminate.stage:Decontaminate",
    "ground": "cornucopia.records.ground:Ground",
    "score": "cornucopia.records.quality.stage:Score",
    "perplexity": "cornucopia.factory.perplexity:Perplexity",
    "reward": "cornucopia.factory.reward:RewardScore",
    "select": "cornucopia.records.mix.select:Select",
    "split": "cornucopia.records.mix.split:Split",
    "mix": "cornucopia.records.mix.mix:Mix",
    "deduplicate": "cornucopia.records.duplicates.stage:Deduplicate",
    "ask": "cornucopia.factory.write.ask:Ask",
    "converse": "cornucopia.factory.write.converse:Converse",
    "instruct": "cornucopia.factory.write.instruct:Instruct",
    "judge": "cornucopia.factory.write.judge:Judge",
    "polish": "cornucopia.factory.write.polish:Polish",
    "prefer": "cornucopia.factory.write.prefer:Prefer",
    "reviewed": "cornucopia.factory.review.stage:Reviewed",
}

INTAKES: dict[str, str] = {
    "seeds": "cornucopia.factory.intake.seeds:Seeds",
    "calculations": "cornucopia.factory.intake.calculations:Calculations",
    "triples": "cornucopia.factory.intake.triples:Triples",
    "crawl": "cornucopia.factory.intake.crawl:CrawlIntake",
    "tasks": "cornucopia.factory.intake.tasks:Tasks",
    "handbook": "cornucopia.factory.intake.handbook:Handbook",
    "documents": "cornucopia.factory.intake.documents:Documents",
    "records": "cornucopia.factory.intake.records:RecordsIntake",
}


def named(table: Mapping[str, str], name: Any, what: str, where: str) -> str:
    """The row of a table.

    Args:
        table: STAGES or INTAKES.
        name: as the recipe has it.
        what: Chinese word for what is named: 步骤, 来源.
        where: place in the recipe, for the error.

    Raises:
        ConfigError: if there is none; names the nearest.
    """
    if isinstance(name, str) and name in table:
        return table[name]
    close = nearest(str(name), table)
    fix = f"最接近的是 {close}" if close else "可用：" + "、".join(table)
    raise ConfigError(f"没有这种{what}", where=where, found=str(name), fix=fix)


@lru_cache(None)
def load(target: str) -> Any:
    """The class of a row."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
