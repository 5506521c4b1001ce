"""`cornucopia vote`: blind votes on a comparison's answers in the terminal; ratings; pairs to tune with."""

from __future__ import annotations

import getpass
import sys
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from cornucopia.core.config import Config, option
from cornucopia.core.console import plain, say, show_table
from cornucopia.core.errors import DataError
from cornucopia.core.options import parse

if TYPE_CHECKING:
    from cornucopia.comparison.votes import Vote, Votes
    from cornucopia.comparison.voting import Offer, Voting

_EXAMPLES = """  cornucopia vote runs/compare                        逐题盲投，投完看排名
  cornucopia vote runs/compare --leaderboard            只看排名
  cornucopia vote serve --export 偏好.jsonl             把网页竞技场的投票写成偏好对
  cornucopia train recipes/dpo.yaml --data-path 偏好.jsonl   用它们调优"""
_KEYS = {"1": "left", "2": "right", "3": "tie", "4": "bad", "s": "skip", "u": "undo", "q": "quit"}
_HELP = "1 第一个好  2 第二个好  3 不相上下  4 都不行  s 跳过  u 撤回上一票  q 停下（票都已存）"
_WIDE = 100  # columns of a terminal in which two answers stand side by side


class VoteConfig(Config):
    """`cornucopia vote`"""

    result: Path = option(..., "比较的结果文件夹；只看排名或导出时也可以是服务的 --state 文件夹或一个投票文件")
    votes: Path | None = option(None, "投票存在哪里；不写则是结果文件夹里的 votes.sqlite3")
    voter: str = option("", "投票人的名字，一人一局一票；不写则用系统的用户名")
    seed: int = option(0, "出题次序和左右由它和投票人的名字决定")
    limit: int | None = option(None, "这一次最多投多少局", gt=0)
    reveal: bool = option(False, "投完一票就说出是谁答的；默认到最后才看排名，免得认出文风")
    leaderboard: bool = option(False, "不投票，只看排名")
    export: Path | None = option(None, "不投票，把投票写成偏好对：train --objective dpo 直接能读的 JSON Lines")


def run(argv: list[str]) -> int:
    """Vote until nothing is left or the voter stops, then show the ratings."""
    config, _ = parse(
        VoteConfig, argv, prog="cornucopia vote", positional="result", positional_help="比较的结果文件夹",
        summary="给比较的回答盲投：一题两个回答，不写是谁答的，按键投票，随时停，下次接着投。"
        "排名是 Bradley-Terry 分数，带 95% 区间。",
        examples=_EXAMPLES,
    )  # fmt: skip
    from cornucopia.comparison.votes import FILE, Votes

    given = config.result
    votes = Votes(config.votes or (given if given.is_file() else given / FILE))
    try:
        if not (config.leaderboard or config.export):
            _vote(config, votes)
        standing = votes.standing()
    finally:
        votes.close()
    if not standing and (config.leaderboard or config.export):
        raise DataError("还没有投票", where=str(votes.path), fix=f"cornucopia vote {given}")
    if config.export:
        _export(standing, config.export)
    elif standing:
        _show(standing)
    return 0


def _vote(config: VoteConfig, votes: Votes) -> None:
    from cornucopia.comparison.voting import Voting, read_answers

    answers = read_answers(config.result)
    if answers.alike:
        say(f"{answers.alike} 对回答一字不差，不用投")
    if answers.failed:
        say(f"{answers.failed} 个回答是空的或出错了，不参加")
    if not answers.battles:
        raise DataError("没有两个不同的回答可比", where=str(config.result), fix="cornucopia compare 至少要两个选手")
    voting = Voting(answers.battles, votes, config.voter or _user(), config.seed, config.limit)
    if not voting.left:
        say("都投过了")
        return
    say(f"共 {voting.total} 局，投过 {voting.before} 局。{_HELP}")
    _ask(voting, config.reveal)
    say(f"这次投了 {voting.cast_now} 局，存在 {votes.path}")


def _ask(voting: Voting, reveal: bool) -> None:
    for offer in voting.offers():
        _show_offer(offer, f"还有 {voting.left} 局")
        pressed = _pressed()
        if pressed == "quit":
            return
        if pressed == "skip":
            voting.skip()
        elif pressed == "undo":
            say("撤回了上一票" if voting.undo() else "没有可撤的票")
        else:
            voting.cast(offer, pressed)
            if reveal:
                say("第一个是 {}，第二个是 {}".format(*map(plain, offer.models)))


def _pressed() -> str:
    """What the next known key means; a full-width one counts as its narrow one, the end of the input as quit."""
    while True:
        key = unicodedata.normalize("NFKC", _key()).lower()
        if key in ("", "\x03", "\x04"):
            return "quit"
        if key in _KEYS:
            return _KEYS[key]
        if not key.isspace():
            say(_HELP)


def _key() -> str:
    """One key of a terminal, without Enter; of anything else the first character of a line; '' at the end."""
    if not sys.stdin.isatty():
        line = sys.stdin.readline()
        return (line.strip() or line)[:1]
    if sys.platform == "win32":
        import msvcrt

        return msvcrt.getwch()
    import termios
    import tty

    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin, termios.TCSADRAIN)  # keys typed ahead stay
        return sys.stdin.read(1)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _show_offer(offer: Offer, left: str) -> None:
    from rich.console import Console
    from rich.rule import Rule
    from rich.table import Table
    from rich.text import Text

    console = Console()
    console.print(Rule(Text(left)))
    prompt = offer.battle.prompt
    for message, material in prompt.turns():
        said = {"system": "系统", "user": "问", "assistant": "答"}.get(message.role, message.role)
        console.print(Text(plain(f"{said}：{message.content}")))
        if material:
            console.print(Text(plain(f"材料：{material}"), style="dim"))
    if console.width >= _WIDE:
        table = Table(expand=True)
        for name in ("回答 1", "回答 2"):
            table.add_column(name, overflow="fold", ratio=1)  # rich cuts a long text without blanks otherwise
        table.add_row(*(Text(plain(answer)) for answer in offer.answers))
        console.print(table)
        return
    for name, answer in zip(("回答 1", "回答 2"), offer.answers, strict=True):
        console.print(Rule(Text(name), align="left"))
        console.print(Text(plain(answer)))


def _show(standing: list[Vote]) -> None:
    from cornucopia.comparison.standings import columns_of, standings

    counted = standings(standing)
    columns, rows = columns_of(counted)
    title = f"{counted.votes} 票，{counted.voters} 人，{counted.battles} 局；都不行的 {counted.bad} 票算平"
    show_table(title, columns, [[plain(cell) for cell in row] for row in rows], whole=columns.index("选手") + 1)
    for note in counted.notes:
        say(note)


def _export(standing: list[Vote], path: Path) -> None:
    from cornucopia.comparison.standings import preference_records
    from cornucopia.records.write import write_records

    records, left_out = preference_records(standing)
    if not records:
        raise DataError("没有一局分出高下，写不成偏好对", found=f"{len(standing)} 票")
    refused = write_records(path, records, "preference")
    for reason, count in left_out.items():
        say(f"{count} 局没有写：{reason}")
    for reject in refused:
        say(f"一局没有写：{reject.reason}")
    say(f"{len(records) - len(refused)} 对写在 {path}；调优：cornucopia train recipes/dpo.yaml --data-path {path}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "我"
