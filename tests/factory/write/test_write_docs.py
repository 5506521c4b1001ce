"""docs/write.md says what is so: its settings, rules, files and recipes exist, its YAML is read."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cornucopia.factory.tables import STAGES, load
from cornucopia.factory.write.judge import Judge, JudgeConfig
from cornucopia.factory.write.seeds import read_seeds

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "write.md").read_text(encoding="utf-8")
STEPS = ("ask", "instruct", "polish", "converse", "prefer", "judge")
FOLDERS = ("factory/write", "inference/paid")
SOURCE = "".join(
    path.read_text(encoding="utf-8") for folder in FOLDERS for path in (ROOT / "src/cornucopia" / folder).glob("*.py")
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def test_every_step_is_in_it_and_every_name_in_it_is_known():
    assert all(f"## `{name}`" in TEXT and name in STAGES for name in STEPS)
    known = {field for name in STEPS for field in load(STAGES[name]).settings.model_fields}
    known |= {*STAGES, "true", "false", "steps", "model", "record", "shard_records", "reasoning", "span"}
    words = set(re.findall(r"`([a-z][a-z_]+)(?:: [^`]*)?`", TEXT))
    assert not {word for word in words - known if not re.search(rf"\b{word.removeprefix('kept_')}\b", SOURCE)}


def test_its_files_exist():
    for name in re.findall(r"(?:recipes|src)/[\w./-]+", TEXT):
        assert (ROOT / name).exists(), name


def test_its_yaml_is_read(tmp_path):
    ask, seeds, prompts = blocks("yaml")
    load(STAGES["ask"]).settings.build(yaml.safe_load(ask)["steps"][0]["ask"])
    for name, text in (("seeds.yaml", seeds), ("prompts.yaml", prompts)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert len(list(read_seeds(tmp_path / "seeds.yaml"))) == 2
    stage = Judge(JudgeConfig.build({"base": "x", "prompts": str(tmp_path / "prompts.yaml")}))
    (system, user) = stage.templates.messages("score", 1, "a", question="问", answer="答", material="", aspects=[])
    assert "某银行" in system.content and "问题：问" in user.content
