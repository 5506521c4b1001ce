"""Where models lie on this disk."""

from __future__ import annotations

from cornucopia.core.paths import bundled_model
from cornucopia.models.find import found_folders


def test_of_a_model_and_its_adapter_only_what_is_there_is_named(tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    assert found_folders("nano", str(adapter)) == [bundled_model()]
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    assert found_folders("nano", str(adapter)) == [bundled_model(), adapter]
    assert found_folders("https://127.0.0.1/v1#m") == found_folders("bad\0name") == []
