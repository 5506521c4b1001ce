"""What a crawl may be told."""

from __future__ import annotations

from typing import Literal

from cornucopia.core.config import Config, option
from cornucopia.core.errors import ConfigError
from cornucopia.sources.web.address import host_of, normalise
from cornucopia.sources.web.scope import Scope


class CrawlSettings(Config):
    """Where to begin, how far to go, how gently."""

    start: list[str] = option([], "从哪些网址开始，可以写多个", split="never")
    allow: list[str] = option(
        [],
        "只在这些范围里抓，绝不出去：主机名、*.主机名、主机名:端口、带路径前缀的网址，可以写多个；留空为起点的主机",
        split="never",
    )
    include: list[str] = option([], "网址里要有这些正则表达式之一才抓（起点除外），可以写多个", split="never")
    exclude: list[str] = option([], "网址里有这些正则表达式之一就不抓，可以写多个", split="never")
    depth: int = option(3, "从起点最多点几次链接；0 只抓起点", ge=0)
    pages: int = option(1000, "最多抓多少页（以前抓到的算在内）", gt=0)
    rate: float = option(1.0, "每台主机每秒最多几次请求，前后随机错开一半；robots.txt 要求更慢就更慢", gt=0)
    per_host: int = option(1, "每台主机同时几个请求", gt=0, le=16)
    concurrency: int = option(8, "总共同时几个请求", gt=0, le=256)
    contact: str = option("", "你的邮箱或网址，写进 User-Agent，网站管理员找得到你")
    obey_robots: bool = option(True, "遵守 robots.txt；只有自己的网站才可以关")
    obey_nofollow: bool = option(True, "遵守 nofollow：页面或链接这样标了就不跟")
    allow_private: bool = option(False, "允许抓内网和本机的地址")
    sitemap: bool = option(True, "也读 sitemap.xml 和 robots.txt 里写的站点地图")
    read_seconds: float = option(20.0, "多少秒没有新内容算超时", gt=0)
    total_seconds: float = option(120.0, "一页最多收多少秒", gt=0)
    max_mb: float = option(20.0, "一页最大多少 MB（解压以后）", gt=0)
    retries: int = option(2, "超时、断线、429、5xx 再试几次，间隔加倍", ge=0, le=10)
    longest_wait: float = option(120.0, "网站用 Retry-After 要求等待，最多等多少秒；更久的留到下次运行", ge=0)
    refresh: Literal["none", "errors", "all"] = option(
        "none", "抓过的怎么办：none 不再抓；errors 重试失败的；all 都问一遍有没有改（没改的不重传）"
    )

    def starts(self) -> list[str]:
        """The start addresses, normalised.

        Raises:
            ConfigError: there is none, or one cannot be read.
        """
        found = [normalise(text if "://" in text else f"https://{text}") for text in self.start]
        if not found or "" in found:
            bad = next((text for text, address in zip(self.start, found, strict=True) if not address), "（没有给）")
            fix = "写完整的网址，如 https://www.example.com/help/"
            raise ConfigError("起点网址读不懂", where="start", found=bad, fix=fix)
        return found

    def scope(self) -> Scope:
        """The allow-list.

        Raises:
            ConfigError: it or a pattern cannot be read, or a start is outside.
        """
        starts = self.starts()
        own = [address.partition("://")[2].partition("/")[0] for address in starts]
        scope = Scope(self.allow or list(dict.fromkeys(own)), self.include, self.exclude)
        outside = [address for address in starts if not any(place.holds(address) for place in scope.places)]
        if outside:
            fix = f"加上 --allow {host_of(outside[0])}"
            raise ConfigError("起点不在允许范围里", where="allow", found=outside[0], fix=fix)
        return scope
