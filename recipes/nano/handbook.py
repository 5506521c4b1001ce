"""Handbook articles as {"text"} lines: the training part, and the articles no training ever sees (numbers 34 and 35).

Usage: python recipes/nano/handbook.py HANDBOOK_FOLDER TRAIN.jsonl UNSEEN.jsonl
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

UNSEEN = ("34-", "35-")


def article(path: Path) -> dict[str, str]:
    """Title and body without front matter and Markdown signs."""
    _, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    title = re.search(r"^title: *(.+)$", front, re.M)
    text = re.sub(r"^#+ *", "", body.strip(), flags=re.M).replace("**", "")
    return {
        "text": f"{title.group(1) if title else ''}\n{text}",
        "source": f"handbook/{path.parent.name}/{path.stem}",
        "licence": "Apache-2.0",
    }


def main(folder: Path, train: Path, unseen: Path) -> None:
    """Write both parts."""
    paths = sorted(folder.glob("*/[0-9]*.md"))
    for target, chosen in ((train, False), (unseen, True)):
        rows = [article(path) for path in paths if path.name.startswith(UNSEEN) is chosen]
        target.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:4]))
