"""`cornucopia serve`: models behind an HTTP API that OpenAI's clients speak."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence

from cornucopia.core.config import option, read_yaml
from cornucopia.core.console import say, warn
from cornucopia.core.errors import ConfigError, reason
from cornucopia.core.options import parse
from cornucopia.inference.providers import check_key
from cornucopia.models.find import find_adapter, find_model
from cornucopia.serving.settings import ServedModel, ServeSettings

EXAMPLES = """  cornucopia serve                                              内置小模型；网页 http://127.0.0.1:8000/
  cornucopia serve --model 基座=base_models/llama-7b-hf --model 调优后=base_models/llama-7b-hf+runs/我的适配器
  cornucopia serve --model 小本=模型-q4_k_m.gguf --model deepseek=https://api.deepseek.com#deepseek-chat
  cornucopia serve recipes/serve.yaml --host 0.0.0.0 --keys-file 密钥.txt
  curl http://127.0.0.1:8000/v1/chat/completions -d '{"messages": [{"role": "user", "content": "什么是等额本息"}]}'"""


class ServeConfig(ServeSettings):
    """Options of `cornucopia serve`: a configuration's, and what no file may say for itself."""

    allow_key: list[str] = option(
        [], "允许把密钥变量发给没有登记的地址，可写多次：变量名=主机（只能写在命令行上）", split="never"
    )


def run(argv: list[str]) -> int:
    """Serve until Ctrl-C or SIGTERM; answers that are being written are finished first."""
    config, path = parse(
        ServeConfig, argv, prog="cornucopia serve", positional="recipe",
        positional_help="YAML 配置，见 recipes/serve.yaml；只用命令行也可以",
        summary="OpenAI 兼容的 HTTP 服务：/v1/chat/completions、/v1/completions、/v1/models 等；"
        "也回答 ChatGLM 和 MOSS 的 POST /。浏览器打开同一个地址是网页：对话、并排、竞技场。模型第一次被问到时载入。",
        examples=EXAMPLES,
    )  # fmt: skip
    if path and any(str(key).replace("-", "_") == "allow_key" for key in read_yaml(path)):
        raise ConfigError(
            "allow_key 只能写在命令行上", where=path, fix="从配置里删掉；确认要发时写 --allow-key 变量名=主机"
        )
    for model in config.table().values():
        _check(model, config.allow_key)
    from cornucopia.serving.app import make_app

    app = make_app(config)
    import uvicorn

    with _listening(config) as listening:
        host, port = listening.getsockname()[:2]
        say(f"模型：{'、'.join(config.table())}")
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        say(f"网页：{address}/")
        say(f"地址：{address}/v1 （Ctrl-C 停止，正在写的回答会写完）")
        if config.open_to_others:
            warn("别的机器能访问这个端口：没有加密，放在 HTTPS 反向代理后面，见 docs/deploy.md")
        settings = uvicorn.Config(
            app, log_level="error", access_log=False, timeout_graceful_shutdown=max(1, round(config.grace)),
            server_header=False,
        )  # fmt: skip
        with contextlib.suppress(KeyboardInterrupt):  # what was being answered is answered: no interruption
            uvicorn.Server(settings).run(sockets=[listening])
    say("已停止")
    return 0


def _check(model: ServedModel, allow_key: Sequence[str]) -> None:
    """A model is loaded when it is first asked for; that it is there is looked at now.

    Raises:
        CornucopiaError: it, its adapter or its key is missing.
    """
    if model.address[0]:
        check_key(model.address[0], model.key_env, allow_key)
        return
    if model.base.lower().endswith(".gguf"):
        from cornucopia.inference.llama_cpp_engine import find_gguf

        find_gguf(model.base)
    else:
        find_model(model.base)
    if model.adapter and not model.adapter.lower().endswith(".gguf"):
        find_adapter(model.adapter)


def _listening(config: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    made = socket.socket(family)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((config.host, config.port))
        made.listen(2048)  # before the address is told; as many as may knock at once
    except OSError as error:
        made.close()
        where = f"{config.host}:{config.port}"
        raise ConfigError("不能在这个地址监听", where=where, found=reason(error), fix="--port 换一个") from None
    return made
