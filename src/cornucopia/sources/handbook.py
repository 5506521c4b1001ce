"""The bundled finance handbook: Markdown articles with front matter -> Documents.

An article's text is what follows its front matter, to the character: spans of the bundled records count in it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from cornucopia.core.errors import DataError
from cornucopia.core.yaml_errors import explain_yaml
from cornucopia.sources.document import Document, Page

LICENCE = "Apache-2.0"
_FRONT = re.compile(r"---\n(.*?\n)---\n", re.S)
_CITED = re.compile(r"(\S+) (第\d+-\d+字(?:、第\d+-\d+字)*)")
_STRETCH = re.compile(r"第(\d+)-(\d+)字")

# The handbook as a tool that a model can call, in the OpenAI shape; what it gives back is made by `hits`.
SEARCH: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "search_handbook",
        "description": "在金融手册里查规定和办法：给出最相关的几段原文，各注明文章、来源和事实成立到哪个月。",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": "要查的事，几个关键词"}},
            "required": ["query"],
            "additionalProperties": False,
        },
    },
}


def articles(folder: str | Path) -> Iterator[Document]:
    """Every article below a folder, by path.

    Raises:
        DataError: there is none, or one without front matter.
    """
    folder = Path(folder)
    paths = sorted(folder.rglob("*.md"))
    if not paths:
        raise DataError("手册里没有文章", where=str(folder), fix="指明存放 .md 文章的文件夹，项目自带的是 handbook/")
    for path in paths:
        yield read_article(path, folder)


def read_article(path: Path, folder: Path) -> Document:
    """One article; its id is the path within the folder, without `.md`.

    Raises:
        DataError: it has no front matter with a title.
    """
    data = path.read_bytes()
    text = data.decode("utf-8-sig", "replace")
    match = _FRONT.match(text)
    front = _front_matter(match[1], path) if match else {}
    if not match or not front.get("title"):
        raise DataError("文章没有以 --- 括起的题头（title、domain、sources、as_of）", where=str(path), found=text[:30])
    return Document(
        id=path.relative_to(folder).with_suffix("").as_posix(),
        pages=(Page(0, text[match.end() :]),),
        title=str(front["title"]),
        source="；".join(map(_source, front.get("sources") or ())),
        media="md",
        sha256=hashlib.sha256(data).hexdigest(),
        licence=LICENCE,
        as_of=str(front.get("as_of") or ""),
        domain=str(front.get("domain") or ""),
        extra={"keywords": list(front.get("keywords") or ())},
    )


def _front_matter(text: str, path: Path) -> dict[str, Any]:
    try:
        front = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError("文章的题头不是合格的 YAML", where=str(path), found=explain_yaml(error)) from None
    return front if isinstance(front, dict) else {}


def _source(row: dict[str, Any]) -> str:
    """《个人贷款管理办法》（国家金融监督管理总局令2024年第3号，2024年）"""
    year = f"{str(row.get('date') or '')[:4]}年" if row.get("date") else ""
    told = "，".join(filter(None, [str(row.get("number") or ""), year]))
    return f"{row.get('name') or ''}（{told}）" if told else str(row.get("name") or "")


def cite(document: str, spans: tuple[tuple[int, int], ...]) -> str:
    """Stretches of an article as Record.span has them: `insurance/01-cooling-off 第31-92字、第200-230字`."""
    return f"{document} " + "、".join(f"第{start + 1}-{end}字" for start, end in spans)


def read_citation(span: str) -> tuple[str, tuple[tuple[int, int], ...]] | None:
    """(article, stretches) of what `cite` wrote; None for anything else."""
    match = _CITED.fullmatch(span)
    if not match:
        return None
    return match[1], tuple((int(start) - 1, int(end)) for start, end in _STRETCH.findall(match[2]))


def hits(found: Iterable[tuple[Document, str]]) -> str:
    """What a search of the handbook tells the model that called for it.

    Args:
        found: (article, stretch of its text), best first.
    """
    told = [f"《{article.title}》（{article.id}，截至{article.as_of}）\n{quote}" for article, quote in found]
    return "\n\n".join(told) or "手册里没有找到。"
