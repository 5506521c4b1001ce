"""POST /v1/embeddings: the mean of a model's last hidden states, of length 1, where its operator says that it means
something: a model that was only trained to write gives vectors that are near to each other whatever the texts say.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.inference.transformers_engine import TransformersEngine
from cornucopia.serving.completions import prompts_of
from cornucopia.serving.event_response import while_there
from cornucopia.serving.house import House
from cornucopia.serving.json_response import json_response
from cornucopia.serving.problems import Problem

WIDEST = 8192  # tokens of a padded batch


async def embed(house: House, request: Request) -> Response:
    """Vectors of texts.

    Raises:
        Problem: the model has none, or the texts are wrong.
    """
    body = await house.body(request)
    form = body.get("encoding_format") or "float"
    if form not in ("float", "base64"):
        raise Problem(400, "encoding_format 应为 float 或 base64", param="encoding_format")
    if body.get("dimensions") is not None:
        raise Problem(400, "不支持 dimensions：向量的长短由模型定", param="dimensions")
    served, lease = await while_there(request, house.lease(body.get("model"), request))
    async with lease:
        engine = served.engine
        if not served.model.embeddings or not isinstance(engine, TransformersEngine):
            message = "这个模型不是向量模型，它的向量分不出意思远近；确是向量模型就在配置里写 embeddings: true"
            raise Problem(400, message, param="model", code="model_not_supported")
        ids = await served.worker.call(lambda: prompts_of(body.get("input"), engine, "input"))
        vectors = await while_there(request, _vectors(served.worker, engine, ids))
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector, form)}
        for index, vector in enumerate(vectors)
    ]
    count = sum(map(len, ids))
    usage = {"prompt_tokens": count, "total_tokens": count}
    return json_response({"object": "list", "data": data, "model": served.name, "usage": usage})


async def _vectors(worker: Any, engine: TransformersEngine, ids: Sequence[Sequence[int]]) -> list[list[float]]:
    """In parts, between which others' answers go on."""
    found: list[list[float]] = []
    while len(found) < len(ids):
        rest = ids[len(found) :]
        size = next((n for n in range(len(rest), 1, -1) if n * max(map(len, rest[:n])) <= WIDEST), 1)
        found += await worker.call(lambda part=rest[:size]: engine.embed(part))
    return found


def _written(vector: list[float], form: str) -> list[float] | str:
    return vector if form == "float" else base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
