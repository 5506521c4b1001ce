"""The board's part of the page's API. Names that come in are looked up in tables; none of them becomes a path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cornucopia.core.errors import CornucopiaError, reason
from cornucopia.serving.board import choices, form
from cornucopia.serving.board.preview import preview
from cornucopia.serving.board.runs import RECIPE, Runs
from cornucopia.serving.board.starting import BOARD, Start, Starts, tables
from cornucopia.serving.board.uploads import SUFFIXES, Upload, Uploads, check, told
from cornucopia.serving.board.watch import Watch
from cornucopia.serving.house import House, note
from cornucopia.serving.json_response import json_response
from cornucopia.serving.page.body import page_body
from cornucopia.serving.page.routes import REPORTS, Add
from cornucopia.serving.problems import Problem, refused
from cornucopia.serving.settings import HERE
from cornucopia.training.recipe import TrainRecipe

_API = "/page/api/board/"
Files = list[tuple[Path, str]]  # each with its name before people
_LONGEST_LABEL = 60
# A report is a page of its own with texts that models wrote: it may run what it holds, but is nobody's page here.
_REPORT = {
    "Content-Security-Policy": "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:",
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
}  # fmt: skip


def add_board(add: Add, house: House) -> None:
    """Add the board's routes.

    Args:
        add: adds one to the application.
        house: the server's parts; its settings say where the runs are and what the board keeps.
    """
    board = Board(house)
    for path, method, answer in (
        ("form", "GET", board.form), ("recipe", "GET", board.recipe), ("runs", "GET", board.every),
        ("run", "GET", board.run),
        ("upload", "POST", board.upload), ("remove", "POST", board.remove), ("check", "POST", board.check),
        ("command", "POST", board.command), ("preview", "POST", board.preview), ("plan", "POST", board.plan),
        ("start", "POST", board.start), ("stop", "POST", board.stop), ("resume", "POST", board.resume),
    ):  # fmt: skip
        add(_API + path, method, answer)
    add(REPORTS + "{ticket}", "GET", board.report)


class Board:
    """
    Args:
        house: the server's parts.
    """

    def __init__(self, house: House) -> None:
        settings = house.settings
        state, home = settings.state.absolute() / BOARD, settings.runs.absolute()
        self._house, self._runs = house, Runs(home)
        self._uploads = Uploads(state / "uploads", settings.max_upload_mb)
        self._starts = Starts(state / "runs", home, settings.keys_env)
        self._watch = Watch(self._runs, self._starts, self._uploads)
        self._one = asyncio.Lock()  # one start or plan at a time

    async def form(self, _: Request) -> Response:
        """The form's fields and what may be picked."""
        return json_response(await asyncio.to_thread(self._form))

    def _form(self) -> dict[str, Any]:
        own = [upload.told() for upload in self._uploads.table().values()]
        bundled = [
            {"id": name, "name": name, "size": path.stat().st_size} for name, path in choices.bundled_data().items()
        ]
        return {
            "groups": form.groups(), "bases": list(choices.bases(self._runs)), "recipes": list(choices.recipes()),
            "adapters": list(choices.adapters(self._runs)), "data": [*own, *bundled], "suffixes": SUFFIXES,
            "most_mb": self._house.settings.max_upload_mb,
        }  # fmt: skip

    async def recipe(self, request: Request) -> Response:
        """What the form holds for one of the project's recipes, or for a run that it is to be like."""
        return json_response(await asyncio.to_thread(self._filled, dict(request.query_params)))

    def _filled(self, query: dict[str, str]) -> dict[str, Any]:
        if "run" in query:
            recipe = _built(self._watch.find(query["run"]).run.recipe)
        else:
            recipe = choices.pick(query.get("name"), choices.recipes(), "配方")
        bases, adapters = choices.bases(self._runs), choices.adapters(self._runs)
        places = {_place(path): name for name, (path, _) in self._data().items()}
        data = [places[path] for word in recipe.data_path if (path := _place(word)) in places]
        filled = {
            "values": form.values_of(recipe), "data": data,
            "base": _name_of(recipe.base, bases), "adapter": _name_of(recipe.adapter, adapters),
            "val_data": places.get(_place(recipe.val_data), "") if recipe.val_data else "",
        }  # fmt: skip
        missing = [] if filled["base"] else [f"基座 {recipe.base} 本机没有，另选一个"]
        missing += [] if len(data) == len(recipe.data_path) else ["它的数据不在列表里，请拖进来或另选"]
        return filled | {"missing": missing}

    async def every(self, _: Request) -> Response:
        """Every run, and every report."""
        runs, reports = await asyncio.to_thread(self._watch.every), await asyncio.to_thread(self._watch.reports)
        return json_response({"runs": runs, "reports": reports})

    async def run(self, request: Request) -> Response:
        """One run in full."""
        return json_response(await asyncio.to_thread(self._watch.told, request.query_params.get("name")))

    async def report(self, request: Request) -> Response:
        """A report, by its ticket: a link carries no key."""
        path = await asyncio.to_thread(self._watch.report, request.path_params["ticket"])
        if path is None:
            raise Problem(404, "没有这份报告，或服务重启过：回到训练页再打开")
        return Response(await asyncio.to_thread(path.read_bytes), 200, _REPORT, media_type="text/html")

    async def upload(self, request: Request) -> Response:
        """Take a file in and check it."""
        self._may_change(request)
        if request.headers.get("content-type", "") != "application/octet-stream":  # no form of another site sends it
            raise Problem(415, "content-type 应是 application/octet-stream")
        recipe = form.recipe_of({"objective": request.query_params.get("objective", "sft")}, {})
        seconds = self._house.settings.timeout
        try:
            async with asyncio.timeout(seconds):
                upload = await self._uploads.keep(request.query_params.get("name", ""), request.stream())
        except TimeoutError:
            raise Problem(408, f"文件在 {seconds:g} 秒里没有传完") from None
        note(request, bytes=upload.size)
        return json_response(
            upload.told() | {"check": await asyncio.to_thread(check, upload.file, recipe, upload.name)}
        )

    async def remove(self, request: Request) -> Response:
        """Delete an upload, if no run is reading it."""
        body = await self._changing(request)
        upload: Upload = choices.pick(body.get("id"), self._uploads.table(), "上传的文件")
        if any(str(upload.file) in str(seen.run.recipe) for seen in await asyncio.to_thread(self._watch.busy)):
            raise Problem(409, "有训练正在用这个文件")
        await asyncio.to_thread(self._uploads.remove, upload)
        return json_response({})

    async def check(self, request: Request) -> Response:
        """Check data that is already here, by the form's objective and columns."""
        recipe, files = await self._asked(request)
        return json_response({"checks": [await asyncio.to_thread(check, path, recipe, name) for path, name in files]})

    async def command(self, request: Request) -> Response:
        """The command line that does the same as the form."""
        return json_response({"command": form.command((await self._asked(request))[0])})

    async def preview(self, request: Request) -> Response:
        """The first records as the model will see them."""
        recipe, files = await self._asked(request)
        path, name = files[0]
        try:
            return json_response({"records": await asyncio.to_thread(preview, recipe, path, name)})
        except CornucopiaError as error:
            raise Problem(400, told(error, path, name)) from None

    async def plan(self, request: Request) -> Response:
        """What `cornucopia train --dry-run` says: data, memory, disk; and the command line."""
        recipe, files = await self._asked(request)
        async with self._one:
            said = await asyncio.to_thread(self._starts.plan, recipe)
        for path, name in files:
            said = said.replace(str(path), name)
        return json_response(tables(said) | {"command": form.command(recipe)})

    async def start(self, request: Request) -> Response:
        """Begin a run; refused while another runs, unless `together` is said."""
        body = await self._changing(request)
        label = body.get("label", "")
        if not isinstance(label, str) or len(label) > _LONGEST_LABEL:
            raise Problem(400, f"名字应是文字，至多 {_LONGEST_LABEL} 字", param="label")
        recipe, _ = await asyncio.to_thread(self._recipe, body)
        async with self._one:
            await self._alone(body)
            name, folder = self._starts.new()
            recipe = recipe.model_copy(update={"output_dir": str(folder)})
            return await _begun(lambda: self._starts.start(name, label.strip(), form.command(recipe), recipe))

    async def resume(self, request: Request) -> Response:
        """Go on with a run that was stopped or died."""
        body = await self._changing(request)
        async with self._one:
            seen = await asyncio.to_thread(self._watch.find, body.get("run"))
            run, text = seen.run, self._watch.recipe_text(seen)
            if not run.resumable:
                raise Problem(409, f"这次训练{run.told()['status']}，不能接着练")
            await self._alone(body)
            return await _begun(lambda: self._starts.resume(run.name, run.folder, text))

    async def stop(self, request: Request) -> Response:
        """Ask a run to save and end; asked again, to end at once."""
        body = await self._changing(request)
        start = (await asyncio.to_thread(self._watch.find, body.get("run"))).start
        if start is None or not self._starts.alive(start):
            raise Problem(409, "这次训练不在跑，或不是从网页启动的：在启动它的终端里按 Ctrl-C")
        return await _begun(lambda: self._starts.stop(start))

    async def _alone(self, body: dict[str, Any]) -> None:
        """
        Raises:
            Problem: another run is on, and that two are wanted was not said.
        """
        busy = [] if body.get("together") is True else await asyncio.to_thread(self._watch.busy)
        if busy:
            names = "、".join((seen.start.label if seen.start else "") or seen.run.name for seen in busy)
            raise Problem(409, f"已有训练在跑：{names}。两个一起跑会抢内存和算力，各自都慢", code="busy")

    async def _changing(self, request: Request) -> dict[str, Any]:
        self._may_change(request)
        return await page_body(self._house, request)

    def _may_change(self, request: Request) -> None:
        """
        Raises:
            Problem: without a key, and not from this machine itself: who comes through a proxy may be anybody.
        """
        if self._house.keys.wanted:
            return
        forwarded = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-real-ip"))
        if forwarded or request.client is None or request.client.host not in HERE:
            raise Problem(403, "没有设密钥的服务只让本机启动训练：设密钥，见 docs/board.md")

    async def _asked(self, request: Request) -> tuple[TrainRecipe, Files]:
        body = await self._changing(request)
        return await asyncio.to_thread(self._recipe, body)

    def _recipe(self, body: dict[str, Any]) -> tuple[TrainRecipe, Files]:
        """The recipe that the form has sent, and its data.

        Raises:
            Problem: it is none.
        """
        values, names, table = body.get("values"), body.get("data"), self._data()
        if not isinstance(values, dict):
            raise Problem(400, "values 应是设置和它们的值", param="values")
        if not isinstance(names, list) or not names:
            raise Problem(400, "没有选数据", param="data")
        files = [choices.pick(name, table, "数据") for name in names]
        picked: dict[str, Any] = {"data_path": [str(path) for path, _ in files], "report_to": []}
        picked["base"] = choices.pick(body.get("base"), choices.bases(self._runs), "基座")
        if body.get("adapter"):
            picked["adapter"] = choices.pick(body["adapter"], choices.adapters(self._runs), "适配器")
        if body.get("val_data"):
            picked["val_data"] = str(choices.pick(body["val_data"], table, "验证数据")[0])
        return form.recipe_of(values, picked), files

    def _data(self) -> dict[str, tuple[Path, str]]:
        """Id -> (file, name before people)."""
        uploads = {upload.id: (upload.file, upload.name) for upload in self._uploads.table().values()}
        return uploads | {name: (path, name) for name, path in choices.bundled_data().items()}


async def _begun(begin: Callable[[], Start]) -> Response:
    try:
        start = await asyncio.to_thread(begin)
    except OSError as error:
        raise Problem(507, f"没有成功：{reason(error)}") from None
    return json_response({"run": start.run})


def _built(settings: dict[str, Any]) -> TrainRecipe:
    """
    Raises:
        Problem: a run's recipe that is not there or cannot be read.
    """
    if not settings:
        raise Problem(400, "这次训练没有留下能读的配方")
    try:
        return TrainRecipe.build(settings, where=RECIPE)
    except CornucopiaError as error:
        raise refused(error) from None


def _name_of(value: str | None, table: dict[str, str]) -> str:
    return next((name for name, own in table.items() if value in (name, own)), "")


def _place(path: str | Path) -> str:
    return str(Path(path).absolute())
