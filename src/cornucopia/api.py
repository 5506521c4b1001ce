"""The Python API: load a model and ask it, train, compare. `import cornucopia` gives these names.

The same settings as on the command line, by the same names; the same errors (`cornucopia.CornucopiaError`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from cornucopia.core.errors import CornucopiaError, DataError
from cornucopia.inference.chat_session import ChatSession
from cornucopia.inference.engine import Engine, Reply, Request, Sampling, Score
from cornucopia.records.schema import Message, Passage, Record

if TYPE_CHECKING:
    from cornucopia.comparison.cells import Comparison

__all__ = ["Chat", "CornucopiaError", "Model", "compare", "load", "train"]


def load(base: str | Path = "nano", adapter: str | Path | None = None, **settings: Any) -> Model:
    """Load a model once, to ask it many times.

    Args:
        base: folder, name under base_models/, "nano" (bundled), or an endpoint `https://host/v1#model`.
        adapter: an adapter's folder.
        **settings: further ones of `inference.open_engine.EngineSpec` (template, bits, dtype, device, key_env ...).

    Raises:
        CornucopiaError: no such model, a damaged one, or an adapter of another base.
    """
    from cornucopia.inference.open_engine import open_engine
    from cornucopia.inference.spec import EngineSpec

    values = {"base": str(base), "adapter": str(adapter) if adapter else None, **settings}
    return Model(open_engine(EngineSpec.build(values, where="cornucopia.load")))


@dataclass
class Model:
    """A loaded model that answers.

    Args:
        engine: the engine behind it, for what is not offered here.
    """

    engine: Engine

    @overload
    def answer(self, question: str, *, material: str = "", system: str = "", **sampling: Any) -> str: ...
    @overload
    def answer(
        self, question: Sequence[str], *, material: str = "", system: str = "", **sampling: Any
    ) -> list[str]: ...
    def answer(
        self, question: str | Sequence[str], *, material: str = "", system: str = "", **sampling: Any
    ) -> str | list[str]:
        """The answer to one question, or the answers to several, which are worked on together.

        Args:
            question: one, or several.
            material: text the questions are about.
            system: what the model is told beforehand.
            **sampling: of `inference.engine.Sampling` (max_new_tokens, temperature, stop, seed ...).

        Raises:
            CornucopiaError: a wrong setting, or a question that got no answer.
        """
        if isinstance(question, str):
            return self._replies([_record(question, material, system)], sampling)[0].answer
        records = [_record(text, material, system) for text in question]
        return [reply.answer for reply in self._replies(records, sampling)]

    def stream(self, question: str, *, material: str = "", system: str = "", **sampling: Any) -> Iterator[str]:
        """The answer in pieces, as they are made; what is thought before it comes as `inference.text.Thought`."""
        return self.engine.stream(_record(question, material, system), _sampling(sampling))

    def score(self, question: str, answer: str, *, material: str = "", system: str = "") -> Score:
        """How likely the model finds an answer: negative log-likelihood in nats, tokens, greedy or not.

        Raises:
            UsageError: an engine that cannot score, such as an endpoint.
        """
        record = _record(question, material, system)
        whole = replace(record, messages=(*record.messages, Message("assistant", answer)))
        return self.engine.score([whole])[0]

    def chat(self, system: str = "") -> Chat:
        """Begin a conversation."""
        limit = self.engine.prompt_limit(Sampling())
        return Chat(self, ChatSession(system, self.engine.prompt_length, limit))

    def _replies(self, records: Sequence[Record], sampling: dict[str, Any]) -> list[Reply]:
        requests = [Request(str(number), record) for number, record in enumerate(records)]
        replies = {reply.id: reply for reply in self.engine.generate(requests, _sampling(sampling))}
        for request in requests:
            if replies[request.id].finish_reason == "error":
                raise DataError("没有得到回答", where=request.record.question[:60], found=replies[request.id].error)
        return [replies[request.id] for request in requests]


@dataclass
class Chat:
    """A conversation with a model; the oldest turns are left out of the prompt when they no longer fit.

    Args:
        model: who answers.
        session: what was said.
    """

    model: Model
    session: ChatSession = field(default_factory=ChatSession)

    def ask(self, question: str, **sampling: Any) -> str:
        """The answer to the next question, which is remembered with it."""
        (reply,) = self.model._replies([self.session.ask(question)], sampling)
        self.session.answered(question, reply.answer)
        return reply.answer


def train(recipe: str | Path | None = None, **settings: Any) -> dict[str, Any]:
    """Train as `cornucopia train` does.

    Args:
        recipe: a YAML file.
        **settings: of `training.recipe.TrainRecipe`, laid over it.

    Returns:
        What train_result.json holds: steps, losses, seconds, tokens.

    Raises:
        CornucopiaError: bad recipe, data or model. Interrupted: after Ctrl-C, with state saved.
    """
    from cornucopia.inference.rollouts import Rollouts
    from cornucopia.training.recipe import TrainRecipe
    from cornucopia.training.run.loop import train as run

    return run(TrainRecipe.load(recipe, settings), Rollouts)


def compare(recipe: str | Path | None = None, *, allow_key: Sequence[str] = (), **settings: Any) -> Comparison:
    """Compare contestants as `cornucopia compare` does; answers, tables and the report lie in the output folder.

    Args:
        recipe: a YAML file.
        allow_key: environment variables that may go to hosts they are not registered for, each NAME=host.
        **settings: of `comparison.recipe.CompareRecipe` (questions, contestants, output_dir ...), laid over it.

    Returns:
        The comparison: `.rows()` for a row an answer, `.to_pandas()` for a table.

    Raises:
        CornucopiaError: bad recipe, questions or contestants.
    """
    from cornucopia.comparison.recipe import CompareRecipe
    from cornucopia.comparison.results import compare_files

    return compare_files(CompareRecipe.load(recipe, settings), allow_key=allow_key)[0]


def _record(question: str, material: str, system: str) -> Record:
    messages = [Message("system", system)] if system else []
    passages = (Passage(material),) if material else ()
    return Record(messages=(*messages, Message("user", question)), passages=passages, id="api")


def _sampling(settings: dict[str, Any]) -> Sampling:
    return Sampling.build(settings, where="sampling")
