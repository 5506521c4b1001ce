"""LLaMA-Factory's export YAML is read by `cornucopia export`."""

from __future__ import annotations

import pytest
import yaml

from cornucopia.core.errors import ConfigError
from cornucopia.export.run import ExportOptions

MERGE = {
    "model_name_or_path": "m", "adapter_name_or_path": "a,b", "template": "qwen3_nothink", "trust_remote_code": True,
    "export_dir": "saves/merged", "export_size": 5, "export_device": "cpu", "export_legacy_format": False,
}  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def make(**changes):
        (tmp_path / "merge.yaml").write_text(yaml.safe_dump(MERGE | changes))
        return tmp_path / "merge.yaml"

    return make


def test_its_options_are_ours(write):
    options = ExportOptions.load(write())
    assert (options.base, options.adapter, options.out) == ("m", ["a", "b"], "saves/merged")
    assert options.safe_shard_size == "5GB" and not options.gguf
    assert ExportOptions.load(write(), {"out": "other"}).out == "other"


@pytest.mark.parametrize(
    "changes,told",
    [
        ({"export_quantization_bit": 4}, "--gguf"), ({"export_hub_model_id": "me/x"}, "hf upload"),
        ({"export_legacy_format": True}, "export_legacy_format"), ({"expport_size": 3}, "expport_size"),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_named(changes, told, write):
    with pytest.raises(ConfigError, match=told):
        ExportOptions.load(write(**changes))
