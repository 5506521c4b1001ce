"""One server for all tests that change nothing of it, and OpenAI's client for it."""

from __future__ import annotations

import httpx
import pytest

from running_server import running

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")


@pytest.fixture(scope="session")
def server(tiny, adapter):
    """One server for all tests that change nothing of it: 'base', and 'tuned' on the same base."""
    models = [
        {"id": "base", "base": str(tiny), "embeddings": True},
        {"id": "tuned", "base": str(tiny), "adapter": str(adapter)},
    ]
    with running(models=models) as served:
        yield served


@pytest.fixture(scope="session")
def client(server):
    import openai

    made = openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0, http_client=httpx.Client(trust_env=False)
    )
    yield made
    made.close()
