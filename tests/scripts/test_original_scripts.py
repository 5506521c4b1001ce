"""The four commands of the original's tutorial, as written, in a copy of the project: bundled model, LLaMA folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cornucopia.cli.infer import InferConfig
from cornucopia.cli.main import main
from cornucopia.comparison.recipe import CompareRecipe
from cornucopia.core.options import parse
from cornucopia.training.recipe import TrainRecipe
from hub_server import FakeHub
from samples import CORPUS, SHARED

ROOT = Path(__file__).resolve().parents[2]
LLAMA_TOKENIZER = SHARED / "llama2.c" / "tokenizer.model"
# What the original's repository had: no BOS, no EOS, and a class name that no release of Transformers knows.
BROKEN_TOKENIZER_CONFIG = {"bos_token": "", "eos_token": "", "tokenizer_class": "LLaMATokenizer", "unk_token": ""}
CHOICES = ("BASE_MODEL", "LORA_WEIGHTS", "DATA", "OUTPUT_DIR", "TEMPLATE", "QUESTIONS", "MODEL", "EXP_TAG",
           "MICRO_BATCH_SIZE", "BATCH_SIZE", "HF_HUB_OFFLINE", "CORNUCOPIA_HUB", "HF_TOKEN", "EXTRAS")  # fmt: skip
NANO_LINE = "改用随项目附带的小模型 nano"
ROWS = 6
JUNK = "......\n...\n"

pytestmark = pytest.mark.skipif(
    not Path(sys.executable).with_name("cornucopia").exists(), reason="the project is not installed here"
)


class Copy:
    """A copy of the project with little data, and a shell in it."""

    def __init__(self, folder: Path, hub: FakeHub) -> None:
        self.folder = folder
        for name in ("scripts", "base_models", "recipes"):
            shutil.copytree(ROOT / name, folder / name, ignore=lambda at, names: _models(Path(at), names))
        (folder / "instruction_data").mkdir()
        for path in (ROOT / "instruction_data").glob("*.json"):
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)[:ROWS]
            (folder / "instruction_data" / path.name).write_text("".join(lines), encoding="utf-8")
        shutil.copy(ROOT / "pyproject.toml", folder)
        kept = {name: value for name, value in os.environ.items() if name not in CHOICES}
        # CORNUCOPIA_PYTHON: setup.sh must not install the copy over the environment that runs these tests.
        self.environment = {
            **kept, "CORNUCOPIA_HOME": str(folder), "CORNUCOPIA_PYTHON": sys.executable, "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(ROOT / "src"), "HF_ENDPOINT": hub.url,
        }  # fmt: skip

    def run(self, *words: str, code: int = 0, **variables: str) -> str:
        """Run a command in the copy; returns all it said."""
        done = subprocess.run(
            words, cwd=self.folder, env={**self.environment, **variables}, encoding="utf-8", timeout=120,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == code, done.stdout
        assert "Traceback" not in done.stdout, done.stdout
        assert not (self.folder / ".venv").exists()
        return done.stdout

    def run_both(self, *scripts: str) -> list[str]:
        """Run scripts that do not need each other side by side, with short answers: loading takes most of the time."""
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda script: self.run(script, "--max-new-tokens", "8"), scripts))

    def rows(self, name: str) -> list[dict]:
        """The JSON lines of the one file that matches."""
        (path,) = self.folder.glob(name)
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _models(at: Path, names: list[str]) -> list[str]:
    """The model folders of base_models/, which are not copied."""
    return [name for name in names if at.name == "base_models" and (at / name).is_dir()] + ["__pycache__"]


@pytest.fixture
def hub():
    server = FakeHub()
    yield server
    server.close()


@pytest.fixture
def copy(tmp_path, hub, small):
    """A copy whose base_models/nano is a stand-in of the bundled model's kind."""
    project = Copy(tmp_path / "项目 1", hub)  # a space and Chinese in the path: scripts must quote
    shutil.copytree(small, project.folder / "base_models" / "nano")
    return project


@pytest.fixture(scope="module")
def llama_files(tmp_path_factory):
    """name -> bytes of a tiny random model in a folder of the original's shape, with LLaMA's real tokenizer.model."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("llama")
    config = LlamaConfig(
        vocab_size=32000, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=2048, bos_token_id=1, eos_token_id=2, pad_token_id=0, initializer_range=0.3,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.config.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    shutil.copy(LLAMA_TOKENIZER, folder / "tokenizer.model")
    (folder / "tokenizer_config.json").write_text(json.dumps(BROKEN_TOKENIZER_CONFIG), encoding="utf-8")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_on_the_bundled_model(copy):
    said = copy.run("bash", "./base_models/load.sh", code=1)  # the hub has nothing: told, with what happens meanwhile
    assert "llama-7b 没有下载完" in said and "自带小模型" in said

    said = copy.run("./scripts/finetune.sh")
    assert said.count(NANO_LINE) == 1
    trained = copy.folder / "runs" / "lora-llama-fin-v1"
    assert (trained / "adapter_model.safetensors").is_file() and (trained / "cornucopia.json").is_file()

    inferred, compared = copy.run_both("./scripts/infer.sh", "./scripts/comparison_test.sh")
    assert inferred.count(NANO_LINE) == compared.count(NANO_LINE) == 1
    assert inferred.count("###golden output###") == ROWS
    answers = copy.rows("runs/infer/infer--nano--lora-llama-fin-v1.jsonl")
    assert len(answers) == ROWS and all({"answer", "golden"} <= set(row) for row in answers)

    report = (copy.folder / "runs" / "comparison_test" / "report.html").read_text(encoding="utf-8")
    assert "基座" in report and "调优后" in report and answers[0]["golden"] in report
    assert len(copy.rows("runs/comparison_test/answers.jsonl")) == 2 * ROWS


@pytest.fixture
def echo(copy, tmp_path):
    """Runs a script with a `cornucopia` that only says its words; returns them."""
    stub = tmp_path / "环境 2" / "bin" / "cornucopia"
    stub.parent.mkdir(parents=True)
    stub.write_text('#!/bin/sh\nfor word in "$@"; do echo "<$word>"; done\n', encoding="utf-8")
    stub.chmod(0o755)

    def run(*words: str, **variables: str) -> tuple[list[str], str]:
        said = copy.run(*words, CORNUCOPIA_PYTHON=str(stub.with_name("python")), **variables)
        return re.findall("^<(.*)>$", said, re.M), said

    return run


def test_variables_choose_and_further_flags_win(echo):
    chosen = {"BASE_MODEL": "我的 模型", "DATA": "自己的 数据.json", "OUTPUT_DIR": "runs/自己的", "TEMPLATE": "alpaca"}
    words, said = echo(
        "./scripts/finetune.sh", "--num_epochs", "1", "--batch_size", "8", "--micro_batch_size=8", **chosen
    )
    recipe, _ = parse(TrainRecipe, words[1:], prog="cornucopia train", summary="", positional="recipe")
    assert words[0] == "train" and NANO_LINE not in said
    assert (recipe.base, recipe.data_path, recipe.output_dir) == (
        "我的 模型",
        ["自己的 数据.json"],
        "runs/自己的",
    )
    assert (recipe.template, recipe.num_epochs, recipe.micro) == ("alpaca", 1, 8)

    words, said = echo("./scripts/infer.sh", "--use_lora", "False", **chosen, LORA_WEIGHTS="某 LoRA")
    config, _ = parse(InferConfig, words[1:], prog="cornucopia infer", summary="", positional="data")
    assert (config.base, config.data, config.adapter) == ("我的 模型", "自己的 数据.json", "某 LoRA")
    assert config.active_adapter() is None and config.template == "alpaca" and NANO_LINE not in said

    words, _ = echo("./scripts/comparison_test.sh", **chosen, LORA_WEIGHTS="某 LoRA", QUESTIONS="题 1.json")
    compared, _ = parse(CompareRecipe, words[1:], prog="cornucopia compare", summary="", positional="recipe")
    assert compared.questions == "题 1.json" and compared.output_dir == "runs/自己的"
    assert [(one.base, one.adapter) for one in compared.contestants] == [("我的 模型", None), ("我的 模型", "某 LoRA")]

    words, _ = echo("bash", "./base_models/load.sh", "--hub", "modelscope", MODEL="Qwen2.5-0.5B-Instruct Qwen3-0.6B")
    assert words == [word for name in ("Qwen2.5-0.5B-Instruct", "Qwen3-0.6B")
                     for word in ("models", "pull", name, "--hub", "modelscope")]  # fmt: skip


@pytest.mark.parametrize("script", ["./scripts/infer.sh", "./scripts/comparison_test.sh"])
def test_what_was_tuned_last_by_hand_comes_before_the_quickstart(copy, echo, script):
    words, _ = echo(script, LORA_WEIGHTS="none")
    assert not [word for word in words if "runs/lora" in word or "quickstart" in word]
    for made in ("runs/quickstart/adapter", "runs/lora-llama-fin-v1"):
        (copy.folder / made).mkdir(parents=True)
        (copy.folder / made / "adapter_config.json").write_text("{}", encoding="utf-8")
        words, _ = echo(script)
        assert [word for word in words if word.endswith(made)], words


@pytest.mark.shared
def test_on_a_llama_folder_of_the_originals_shape(copy, hub, llama_files):
    hub.repos["huggyllama/llama-7b"] = hub.repos["P01son/Linly-Chinese-LLaMA-7b-hf"] = llama_files
    copy.run("bash", "./base_models/load.sh")
    llama = copy.folder / "base_models" / "llama-7b-hf"
    assert (llama / "pytorch_model.bin").read_bytes() == llama_files["pytorch_model.bin"]

    assert NANO_LINE not in copy.run("./scripts/finetune.sh", "--num_epochs", "1")
    adapter = json.loads((copy.folder / "runs/lora-llama-fin-v1/adapter_config.json").read_text(encoding="utf-8"))
    assert Path(adapter["base_model_name_or_path"]).name == "llama-7b-hf"

    shutil.copytree(copy.folder / "runs/lora-llama-fin-v1", copy.folder / "lora-llama-fin-Linly-zh")
    said = copy.run_both("./scripts/infer.sh", "./scripts/comparison_test.sh")
    assert NANO_LINE not in "".join(said)
    assert len(copy.rows("runs/infer/infer--llama-7b-hf--lora-llama-fin-v1.jsonl")) == ROWS
    answers = copy.rows("runs/comparison_test/answers.jsonl")
    assert len(answers) == 3 * ROWS and not [row for row in answers if row.get("error")]
    report = (copy.folder / "runs/comparison_test/report.html").read_text(encoding="utf-8")
    assert all(name in report for name in ("基座", "基座+金融LoRA", "Linly+金融LoRA"))


def test_an_environment_without_the_project_is_told(copy, tmp_path):
    said = copy.run("./scripts/infer.sh", code=1, CORNUCOPIA_PYTHON=str(tmp_path / "bin" / "python"))
    assert "没有 cornucopia 命令" in said and "pip install" in said


def test_the_originals_own_file_trains_and_peft_loads_the_adapter(small, tmp_path, capsys):
    rows = [{"instruction": f"{line[:8]}，第{n}问？", "input": "", "output": line} for n, line in enumerate(CORPUS * 2)]
    data, output = tmp_path / "fin_data.json", tmp_path / "out"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:10])
    data.write_text(lines + JUNK, encoding="utf-8")
    words = ["--base_model", str(small), "--data_path", str(data), "--output_dir", str(output), "--num_epochs", "1",
             "--batch_size", "4", "--micro_batch_size", "4", "--prompt_template_name", "fin_template"]  # fmt: skip
    assert main(["train", *words, "--report_to", "none"]) == 0
    assert "跳过坏数据 2 行" in capsys.readouterr().err
    kept = [json.loads(line) for line in (output / "rejects.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["raw"] for row in kept] == JUNK.split()

    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(small), output)
    moved = [value.abs().max() > 0 for name, value in model.named_parameters() if "lora_B" in name]
    assert moved and all(moved)
