"""Cornucopia 聚宝盆: tools to tune, run and compare Chinese finance language models.

    import cornucopia
    model = cornucopia.load("nano", adapter="runs/quickstart/adapter")
    print(model.answer("什么是等额本息？", max_new_tokens=200))

Importing the package loads nothing heavy: the names of `cornucopia.api` are fetched when they are used, and every
stage is a sub-package (see docs/architecture.md).
"""

from cornucopia.core.version import __version__

TYPE_CHECKING = False  # type checkers take it for typing's, which would cost a command's start its import
if TYPE_CHECKING:
    from cornucopia.api import Chat, CornucopiaError, Model, compare, load, train

__all__ = ["Chat", "CornucopiaError", "Model", "__version__", "compare", "load", "train"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cornucopia import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted(__all__)
