"""The child process of `llama_cpp_engine`: xllamacpp with one file open, on a port of 127.0.0.1, behind a key."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence


def main(argv: Sequence[str]) -> None:
    """Serve until a signal comes.

    Args:
        argv: port, file, tokens of context, threads, slots, device, and the adapters' files.
    """
    import xllamacpp

    port, file, context, threads, slots, device, *adapters = argv
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.hostnames, params.port = ["127.0.0.1"], int(port)
    params.api_keys = [os.environ["CORNUCOPIA_LLAMA_KEY"]]
    params.n_ctx, params.n_parallel, params.kv_unified = int(context), int(slots), True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(threads)
    params.cpuparams.poll = params.cpuparams_batch.poll = 0  # waiting threads sleep: other programs need the cores too
    params.n_threads_http = int(slots) + 2  # each stream keeps one, and somebody must answer /health
    params.ui = False
    params.use_jinja = True
    if device == "cpu":
        params.n_gpu_layers = 0
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 1.0) for path in adapters]
    params.lora_init_without_apply = True  # each request names its own
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main(sys.argv[1:])
