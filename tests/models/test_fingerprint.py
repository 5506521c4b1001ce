"""Fingerprints see every byte that decides answers, and the kept digests never hide a change."""

import os
import shutil

import pytest

from cornucopia.models import fingerprint as module
from cornucopia.models.fingerprint import files_fingerprint, weights_fingerprint
from tiny_models import make_model


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("CORNUCOPIA_CACHE", str(tmp_path / "cache"))
    return make_model(tmp_path / "model")


def _flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def _age(folder):
    """Files old enough for their digests to be kept."""
    for path in folder.iterdir():
        os.utime(path, (1, 1))


@pytest.mark.parametrize("where", [0.3, 0.5, 0.7])
def test_one_bit_in_the_middle_of_a_weight_file_is_seen(model, where):
    before = weights_fingerprint(model), files_fingerprint(model)
    weights = model / "model.safetensors"
    _flip(weights, int(weights.stat().st_size * where))
    assert weights_fingerprint(model) != before[0] and files_fingerprint(model) != before[1]


def test_a_kept_digest_is_used_and_does_not_outlive_a_change_that_hides_its_time(model, monkeypatch):
    monkeypatch.setattr(module, "_SETTLED", -60.0)
    hashed = []
    digest = module._digest
    monkeypatch.setattr(module, "_digest", lambda file: hashed.append(file.name) or digest(file))
    before = weights_fingerprint(model)
    assert weights_fingerprint(model) == before and hashed == ["model.safetensors"]
    weights = model / "model.safetensors"
    times = weights.stat()
    _flip(weights, weights.stat().st_size // 2)
    os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert weights_fingerprint(model) != before


def test_a_file_written_a_moment_ago_is_hashed_again(model, monkeypatch):
    weights_fingerprint(model)
    assert not module._kept()


def test_a_damaged_cache_is_no_cache(model, tmp_path):
    before = weights_fingerprint(model)
    (tmp_path / "cache").mkdir(exist_ok=True)
    (tmp_path / "cache" / "fingerprints.jsonl").write_bytes(b"\xff\xfe{nonsense\n[1]\n")
    assert weights_fingerprint(model) == before


def test_the_place_does_not_count_and_a_training_log_beside_does_not(model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "elsewhere")
    (copy / "log.jsonl").write_text("{}\n")
    assert weights_fingerprint(copy) == weights_fingerprint(model)
    assert files_fingerprint(copy) == files_fingerprint(model)


@pytest.mark.parametrize("name", ["generation_config.json", "tokenizer_config.json", "chat_template.jinja"])
def test_settings_decide_answers_and_not_the_base_an_adapter_is_bound_to(model, name):
    before = weights_fingerprint(model), files_fingerprint(model)
    with (model / name).open("a") as file:
        file.write(" ")
    assert weights_fingerprint(model) == before[0] and files_fingerprint(model) != before[1]


def test_nothing_there_is_no_fingerprint(tmp_path):
    assert files_fingerprint(tmp_path) == ""
