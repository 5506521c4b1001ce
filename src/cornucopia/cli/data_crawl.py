"""`cornucopia data crawl`: pages of a site into a folder, politely; running it again goes on."""

from __future__ import annotations

from pathlib import Path

from cornucopia.core.config import option
from cornucopia.core.console import Progress, say, show_table, warn
from cornucopia.core.errors import Interrupted
from cornucopia.core.options import parse
from cornucopia.sources.web.crawl import crawl
from cornucopia.sources.web.settings import CrawlSettings
from cornucopia.sources.web.store import Known, Store

_REASONS = {  # of an address that is done or refused -> how the table calls it
    "redirect": "跳转",
    "sitemap": "站点地图",
    "robots": "robots.txt 不许",
    "outside": "允许范围之外",
    "depth": "太深",
    "pattern": "include、exclude 不要",
    "file": "图片、压缩包等",
    "trap": "路径重复，像陷阱",
    "too_large": "太大",
    "timeout": "超时",
    "connection": "连不上",
    "broken": "回答断了或打不开",
    "refused": "指向内网，没有连",
    "type": "不是网页或文档",
    "loop": "跳转绕圈",
}
_EXAMPLES = 3


class CrawlCommand(CrawlSettings):
    """`cornucopia data crawl`"""

    out: Path = option(..., "存网页的文件夹；再运行一次从这里接着抓", aliases=("output",))


def run(argv: list[str]) -> int:
    """Crawl, then tell what became of every address."""
    bare = next((number for number, word in enumerate(argv) if word.startswith("-")), len(argv))
    words = [*(part for address in argv[:bare] for part in ("--start", address)), *argv[bare:]]
    config, _ = parse(
        CrawlCommand,
        words,
        prog="cornucopia data crawl",
        summary="抓网页，存进文件夹：遵守 robots.txt，限速，绝不离开允许范围；停下以后再运行一次接着抓。"
        "网址写在最前面。",
        examples="  cornucopia data crawl https://www.example.com/help/ --allow www.example.com --contact 你的邮箱"
        " --out runs/pages\n  配方里用它：sources: [{kind: crawl, folder: runs/pages}]，见 docs/crawl.md",
    )
    config.scope()
    if not config.obey_robots:
        warn("没有遵守 robots.txt：只有自己的网站才可以这样抓")
    try:
        left = _crawl(config)
    except KeyboardInterrupt:
        raise Interrupted(f"停下了；抓到的都在 {config.out}，再运行同一条命令接着抓") from None
    with Store(config.out, write=False) as store:
        _show(store)
    for host, why in left.items():
        warn(f"{host} 没有抓完：{why}；以后再运行同一条命令")
    return 0


def _crawl(config: CrawlCommand) -> dict[str, str]:
    config.out.mkdir(parents=True, exist_ok=True)
    with Store(config.out) as store:
        before = store.taken()
    with Progress("抓网页", before + len(config.start), before) as bar:

        def step(one: Known, note: str, waiting: int) -> None:
            done = bar.done + (one.state == "done" and one.kind == "page" and one.reason != "redirect")
            bar.update(done, note or one.address[-50:], min(done + waiting, config.pages))

        return crawl(config, config.out, step)


def _show(store: Store) -> None:
    counts = store.counts()
    media: dict[str, int] = {}
    for page in store.pages():
        media[page.media] = media.get(page.media, 0) + 1
    rows = [("抓到", sum(media.values()), "、".join(f"{kind} {number}" for kind, number in sorted(media.items())))]
    for (state, why), number in counts.items():
        if why:
            name = _REASONS.get(why, f"HTTP {why}")
            rows.append((name, number, "\n".join(map(_example, store.examples(state, why, _EXAMPLES)))))
    waiting = sum(number for (state, _), number in counts.items() if state == "waiting")
    rows += [("还没抓（页数到了，或留到下次）", waiting, "")] if waiting else []
    show_table(f"{store.folder}", ["结果", "网址", "例"], rows)
    say(f"取出问答：配方里写 sources: [{{kind: crawl, folder: {store.folder}}}]，见 docs/crawl.md")


def _example(one: Known) -> str:
    return f"{one.address}（{one.detail}）" if one.detail and one.reason != "redirect" else one.address
