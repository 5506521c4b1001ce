"""A tiny random model and an adapter, made once for these tests."""

from __future__ import annotations

import pytest
from tiny_models import make_adapter, make_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Folder of a tiny model with random weights."""
    return make_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def adapter(tiny, tmp_path_factory):
    """Folder of a LoRA adapter with random weights on `tiny`."""
    return make_adapter(tiny, tmp_path_factory.mktemp("adapter") / "lora")
