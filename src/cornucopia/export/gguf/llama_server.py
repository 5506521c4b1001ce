"""llama.cpp on one GGUF file, in a process of its own: a file that makes it abort ends that process, not ours.

Run as a module it serves the file named on its command line on a free port of 127.0.0.1, until its input ends.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cornucopia.core.errors import ModelError

WAIT = 600  # seconds for one answer; a large model reads a prompt slowly on a CPU


class LlamaServer:
    """What is asked of a running llama.cpp.

    Args:
        client: an httpx client on its address.
    """

    def __init__(self, client: Any) -> None:
        self._client = client
        self._letter = self.tokens("a")[-1]

    def tokens(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of a text; control names in it are control tokens.

        Args:
            text: any text.
            special: put the beginning of sequence in front where the model has it.
        """
        answer = self._ask("/tokenize", {"content": text, "add_special": special, "parse_special": True})
        return [int(token) for token in answer["tokens"]]

    def text(self, ids: Sequence[int]) -> str:
        """The text of token ids."""
        return str(self._ask("/detokenize", {"tokens": list(ids)})["content"])

    def prompt(self, messages: Sequence[dict[str, str]]) -> str:
        """What the file's chat template makes of messages."""
        return str(self._ask("/apply-template", {"messages": list(messages)})["prompt"])

    def next_tokens(self, ids: Sequence[int], count: int) -> dict[int, float]:
        """The likeliest next tokens and their log-probabilities, likeliest first."""
        # The server keeps back the row of a token that ends inside a character, so that a whole one is made to be taken
        # (always the same); the row holds the model's own probabilities all the same.
        taken = [[self._letter, 1e9]]
        asked = {"prompt": list(ids), "n_predict": 1, "n_probs": count, "temperature": 0, "logit_bias": taken}
        answer = self._ask("/completion", asked)
        return {int(row["id"]): float(row["logprob"]) for row in answer["completion_probabilities"][0]["top_logprobs"]}

    def continuation(self, ids: Sequence[int], count: int) -> list[int]:
        """The greedy continuation, at most `count` tokens; an end of sequence ends it."""
        asked = {"prompt": list(ids), "n_predict": count, "temperature": 0, "return_tokens": True}
        return [int(token) for token in self._ask("/completion", asked)["tokens"]]

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        import httpx

        try:
            answer = self._client.post(path, json=body)
            if answer.is_error:
                raise ValueError(answer.text)
            return dict(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            raise ModelError("llama.cpp 没有回答", where=path, found=str(error)[:200], fix="重试") from None


@contextmanager
def served(path: Path, *, context: int, threads: int) -> Iterator[LlamaServer]:
    """llama.cpp with the file open.

    Args:
        path: the GGUF file.
        context: tokens that a prompt and its answer may have.
        threads: of the CPU.

    Raises:
        ModelError: it does not open the file.
    """
    import httpx

    command = [sys.executable, "-m", "cornucopia.export.gguf.llama_server", str(path), str(context), str(threads)]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as told,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=told, text=True) as process,
    ):
        try:
            assert process.stdout is not None
            address = next((line.strip() for line in process.stdout if line.startswith("http://")), "")
            if not address:
                process.wait()
                told.seek(0)
                raise _not_opened(path, told.read().decode("utf-8", "replace"))
            with httpx.Client(base_url=address, trust_env=False, timeout=WAIT) as client:
                yield LlamaServer(client)
        finally:
            process.kill()


def _not_opened(path: Path, log: str) -> ModelError:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    reasons = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    found = (reasons or lines or ["没有说明"])[0][:200]
    return ModelError(
        "llama.cpp 打不开写出的文件，没有写出", where=str(path), found=found, fix="不加 --gguf 导出成目录"
    )


def main(argv: Sequence[str]) -> None:
    """Serve a file.

    Args:
        argv: the path, tokens of context, threads.
    """
    import xllamacpp

    path, context, threads = argv
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_ctx, params.n_parallel, params.n_gpu_layers = int(context), 1, 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(threads)
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # waiting threads sleep: other programs need the cores too
    params.warmup, params.verbosity = False, 1
    # Our own engine keeps keys and values in the type of the computation, which here is float32.
    params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
