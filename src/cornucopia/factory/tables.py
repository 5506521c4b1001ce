"""Which stages and sources there are: name -> "module:class". Adding one is a file and a row here."""

from __future__ import annotations

STAGES: dict[str, str] = {
    "reviewed": "cornucopia.factory.review.stage:Reviewed",
}

INTAKES: dict[str, str] = {
    "tasks": "cornucopia.factory.intake.tasks:Tasks",
    "handbook": "cornucopia.factory.intake.handbook:Handbook",
}
