"""What the board knows at one moment: runs found in their folders, joined with those that it has started itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornucopia.serving.board import choices
from cornucopia.serving.board.curves import curves
from cornucopia.serving.board.runs import ALIVE, RECIPE, Run, Runs
from cornucopia.serving.board.starting import BOARD, Start, Starts, error_in, tables
from cornucopia.serving.board.uploads import Upload, Uploads


@dataclass(frozen=True)
class Seen:
    """A run, and how the board started it where it did."""

    run: Run
    start: Start | None


class Watch:
    """
    Args:
        runs, starts, uploads: what there is.
    """

    def __init__(self, runs: Runs, starts: Starts, uploads: Uploads) -> None:
        self._runs, self._starts, self._uploads = runs, starts, uploads
        self._tickets: dict[str, str] = {}  # name of a report -> what its address ends with, which nobody can guess

    def all(self) -> dict[str, Seen]:
        """Every run by its name."""
        starts = self._starts.table()
        folders = {run: self._runs.home / BOARD / start.id for run, start in starts.items()} | self._runs.folders()
        return {name: self._read(name, folder, starts.get(name)) for name, folder in folders.items()}

    def find(self, name: Any) -> Seen:
        """
        Raises:
            Problem: no run is called so.
        """
        starts, folders = self._starts.table(), self._runs.folders()
        mine = {run: self._runs.home / BOARD / start.id for run, start in starts.items()}
        return self._read(name, choices.pick(name, mine | folders, "训练"), starts.get(name))

    def busy(self) -> list[Seen]:
        """The runs that are on."""
        return [seen for seen in self.all().values() if seen.run.state in ALIVE]

    def every(self) -> list[dict[str, Any]]:
        """All runs for the page: those that are on first, then the newest."""
        names = self._names()
        told = [self._told(seen, names) for seen in self.all().values()]
        return sorted(told, key=lambda run: (not run["alive"], -run["time"]))

    def told(self, name: Any) -> dict[str, Any]:
        """One run for the page, with its curves, what it says, its recipe and its reports.

        Raises:
            Problem: no run is called so.
        """
        seen = self.find(name)
        run, start = seen.run, seen.start
        said, failed = self._starts.said(start) if start else "", run.state in ("died", "diverged")
        top = run.name.partition("/")[0]
        reports = [report for report in self.reports() if report["name"].partition("/")[0] == top != BOARD]
        return {
            **self._told(seen, self._names()), "curves": curves(run.rows), "reports": reports,
            "recipe": self.recipe_text(seen), "command": start.command if start else "",
            "said": tables(self._named(said)), "error": self._named(error_in(said)) if failed else "",
        }  # fmt: skip

    def recipe_text(self, seen: Seen) -> str:
        """The recipe as YAML, or ''."""
        own = self._runs.recipe_text(seen.run.folder / RECIPE)
        return own or (self._runs.recipe_text(self._starts.recipe(seen.start)) if seen.start else "")

    def reports(self) -> list[dict[str, str]]:
        """Every report among the runs: its name and its ticket."""
        names = sorted(self._runs.reports())
        return [{"name": name, "ticket": self._tickets.setdefault(name, secrets.token_urlsafe(24))} for name in names]

    def report(self, ticket: str) -> Path | None:
        """The file of a report whose ticket was given out."""
        given = ticket.encode("utf-8", "surrogatepass")
        fits = [name for name, own in self._tickets.items() if secrets.compare_digest(own.encode(), given)]
        return self._runs.reports().get(fits[0]) if fits else None

    def _read(self, name: str, folder: Path, start: Start | None) -> Seen:
        alive = start is not None and self._starts.alive(start)
        asked = start is not None and start.asked_to_stop > 0
        own = self._starts.recipe(start) if start else None
        return Seen(self._runs.read(name, folder, alive=alive, stopping=asked, recipe=own), start)

    def _told(self, seen: Seen, names: dict[str, str]) -> dict[str, Any]:
        told, start = seen.run.told(), seen.start
        return told | {
            "label": start.label if start else "", "began": start.began if start else None,
            "time": max(seen.run.changed, start.began if start else 0), "stoppable": bool(start and told["alive"]),
            "data": [names.get(path, Path(path).name) for path in told["data"]],
        }  # fmt: skip

    def _named(self, text: str) -> str:
        """Text with uploads called as people know them."""
        for path, name in self._names().items():
            text = text.replace(path, name)
        return text

    def _names(self) -> dict[str, str]:
        uploads: list[Upload] = list(self._uploads.table().values())
        return {str(upload.file): upload.name for upload in uploads}
