"""The rules of the bundled dialogues: each takes one record and tells its faults; docs/dialogues.md explains them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from cornucopia.core.errors import CornucopiaError
from cornucopia.finance.equations import read_equations
from cornucopia.finance.tools import find_tool
from cornucopia.records.evidence import evidence_of
from cornucopia.records.grounding import Fact, check_answer
from cornucopia.records.quality.compliance import compliance
from cornucopia.records.quality.rule import Said
from cornucopia.records.schema import Message, Record
from cornucopia.sources.document import Document
from cornucopia.sources.handbook import SEARCH, hits

DOMAINS = {
    "credit-card": "信用卡", "fund": "基金", "insurance": "保险", "loan": "贷款", "social-security": "社保",
    "stock": "股票", "tax-bond-macro": "税务债券与宏观", "wealth": "理财",
}  # fmt: skip
KINDS = {
    "consult", "suitability", "comparison", "procedure", "complaint", "refusal", "fraud", "handover", "document",
}  # fmt: skip
VOICES = {"clerk", "hotline", "app", "analyst"}
EXTRA = {"voice", "evidence", "calculations", "sums"}
ROUNDS = range(4, 11)
LENGTHS = range(30, 801)  # characters of an answer
SEARCH_NAME = SEARCH["function"]["name"]
_ID = re.compile(r"dlg-([a-z-]+)-(\d{3})")
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])")
_LAW = re.compile("《([^《》]+)》")
# Hotlines that anybody may name: banking and insurance, securities, social security, tax, health insurance, housing
# fund, central bank, civic services, courts, legal aid, minds in need, anti-fraud, police, first aid.
_HOTLINES = re.compile(
    r"(?<!\d)(?:12378|12386|12333|12366|12393|12329|12363|12345|12381|12368|12348|96110|110|120)(?!\d)"
)
_CODE = re.compile(r"(?<![\d.])(?!\d{3}000)[034568]\d{5}(?!\d|元|股|份|万|亿|\.\d|%|个|人)")
_TIP = re.compile(
    "(?:推荐|建议)(?:您)?(?:现在|马上|尽快|可以|赶紧)?(?:买入|加仓|抄底|满仓|追涨|换成这只)|"
    "目标价(?:是|看|为)|(?:肯定|一定|必然|预计)(?:还)?(?:会|能)涨"
)
_DENIED = re.compile("不|别|没|非|勿|违规|违法|骗")
_OF_A_LAW = re.compile("(?:》|法|条例|办法|规定|解释)(?:（[^（）]*）)?$")
_MONTH_ALONE = re.compile(r"1?\d月")
_COUNT = re.compile("[一两二三四五六七八九十]份")  # of papers
_CONSTANTS = "100%；12个月；360天；365天"  # for sums
_CLAUSES = re.compile("[^，。！？；\n]+")
_ASKS = re.compile("[^。！；\n]*？")

Texts = Mapping[str, Document]


def answers(record: Record) -> list[Message]:
    """The assistant's turns that say something to the customer and call nothing."""
    return [turn for turn in record.messages if turn.role == "assistant" and not turn.tool_calls]


def said_by(record: Record, *roles: str) -> str:
    """All that some roles say, a line a turn."""
    return "\n".join(turn.content for turn in record.messages if turn.role in roles)


def naming(record: Record, texts: Texts) -> Iterator[str]:
    """Id, domain, kind, voice, month, and no field that nothing reads."""
    match = _ID.fullmatch(record.id)
    folder = match[1] if match else ""
    if DOMAINS.get(folder) != record.domain:
        yield f"编号 {record.id} 与领域 {record.domain} 不合（dlg-<文件名>-001）"
    if not record.origin.startswith(f"{folder}.jsonl"):
        yield f"应在 {folder}.jsonl"
    if record.kind not in KINDS:
        yield f"kind {record.kind} 不在 {sorted(KINDS)}"
    if record.extra.get("voice") not in VOICES:
        yield f"voice {record.extra.get('voice')} 不在 {sorted(VOICES)}"
    if not _MONTH.fullmatch(record.as_of):
        yield f"as_of {record.as_of}"
    if unknown := set(record.extra) - EXTRA:
        yield f"多余的字段 {sorted(unknown)}"


def shape(record: Record, texts: Texts) -> Iterator[str]:
    """(system) then rounds of: user, calls with their results, an answer."""
    roles = "".join(
        "c" if turn.tool_calls else {"system": "s", "user": "u", "assistant": "a", "tool": "t"}[turn.role]
        for turn in record.messages
    )
    if not re.fullmatch(r"s?(?:u(?:ct+)*a)+", roles):
        yield f"轮次应是 用户、（调用、结果）、回答：{roles}"
    if roles.count("u") not in ROUNDS:
        yield f"{roles.count('u')} 轮，应有 {ROUNDS[0]} 到 {ROUNDS[-1]} 轮"
    if any(not turn.content.strip() for turn in record.messages if not turn.tool_calls):
        yield "有空的一轮"


def length(record: Record, texts: Texts) -> Iterator[str]:
    """Answers are neither scraps nor essays, and a customer does not write like a lawyer."""
    for turn in answers(record):
        if len(turn.content) not in LENGTHS:
            yield f"回答 {len(turn.content)} 字，应有 {LENGTHS[0]} 到 {LENGTHS[-1]} 字：{turn.content[:20]}"


def asking_back(record: Record, texts: Texts) -> Iterator[str]:
    """The adviser asks before it has said everything."""
    if not any(_ASKS.search(turn.content) for turn in answers(record)[:-1]):
        yield "没有反问客户"


def address(record: Record, texts: Texts) -> Iterator[str]:
    """您, never 你, in what the assistant says."""
    said = said_by(record, "assistant")
    if "你" in said:
        yield f"称呼要用「您」：{said[max(said.index('你') - 8, 0) :][:20]}"
    if "您" not in said:
        yield "通篇没有「您」"


def conduct(record: Record, texts: Texts) -> Iterator[str]:
    """No promise of gain, no tip, no code of a security that the customer did not name."""
    asked = said_by(record, "user")
    for turn in answers(record):
        finding = compliance(Said(asked, "", turn.content, record))
        if finding and finding.score < 1:
            yield finding.reason
        for clause in _CLAUSES.findall(turn.content):
            if _TIP.search(clause) and not _DENIED.search(clause):
                yield f"像荐股：{clause.strip()[:40]}"
        yield from (f"证券代码 {code}" for code in _CODE.findall(turn.content) if code not in asked)


def sources(record: Record, texts: Texts) -> Iterator[str]:
    """Quotations stand in the articles, laws named as source are theirs, the month is none later than theirs."""
    evidence = evidence_of(record)
    for one in evidence:
        if one.document not in texts:
            yield f"没有文章 {one.document}"
        elif one.quote not in texts[one.document].text:
            yield f"{one.document} 里没有这句话：{one.quote[:30]}"
        elif record.as_of > texts[one.document].as_of:
            yield f"as_of {record.as_of} 晚于 {one.document} 的 {texts[one.document].as_of}"
    calculated = [turn.content for turn in record.messages if turn.role == "tool"]
    if not record.source.strip() or not (evidence or calculated or record.extra.get("calculations")):
        yield "没有出处：cite 手册，或调用计算器"
    known = "\n".join([*(texts[one.document].source for one in evidence if one.document in texts), _worked(record)])
    for law in _LAW.findall(record.source):
        if _plain(law) not in _plain(known):
            yield f"所引文章的来源里没有《{law}》"


def _plain(text: str) -> str:
    return text.replace("中华人民共和国", "")


def tool_calls(record: Record, texts: Texts) -> Iterator[str]:
    """Every call is answered by what the tool says, and every tool on offer is one that there is."""
    offered = {tool["function"]["name"]: tool for tool in record.tools}
    for name, schema in offered.items():
        if schema != _schema(name):
            yield f"工具 {name} 的说明已经过时，重新编一次草稿"
    pending = [call for turn in record.messages for call in turn.tool_calls]
    results = [turn for turn in record.messages if turn.role == "tool"]
    if [(call.id, call.name) for call in pending] != [(turn.tool_call_id, turn.name) for turn in results]:
        yield "调用和结果对不上"
        return
    if bool(pending) != bool(offered):
        yield "有工具没有调用，或有调用没有工具"
    for call, result in zip(pending, results, strict=True):
        if call.name not in offered:
            yield f"{call.name} 不在可用的工具里"
        elif call.name == SEARCH_NAME:
            yield from _search(record, result, texts)
        elif find_tool(call.name).call(call.arguments).text != result.content:
            yield f"{call.name} 再算一次，结果不同"


def _schema(name: str) -> object:
    try:
        return SEARCH if name == SEARCH_NAME else find_tool(name).schema
    except CornucopiaError:
        return None


def _search(record: Record, result: Message, texts: Texts) -> Iterator[str]:
    """A hit is a quotation that the record holds as evidence."""
    held = [(texts[one.document], one.quote) for one in evidence_of(record) if one.document in texts]
    found = [pair for pair in held if hits([pair]) in result.content]
    found.sort(key=lambda pair: result.content.index(hits([pair])))
    if hits(found) != result.content:
        yield f"查手册的结果与引文不符：{result.content[:30]}"


def numbers(record: Record, texts: Texts) -> Iterator[str]:
    """Figures, dates, percentages, laws and their articles are given, cited or calculated."""
    text = "\n".join([_CONSTANTS, record.source, *(one.quote for one in evidence_of(record)), _worked(record)])
    given = said_by(record, "user", "system")
    for sum_ in record.extra.get("sums", ()):
        equations = read_equations(sum_)
        found = check_answer(sum_, text, question=given)
        if not equations or not all(equation.holds for equation in equations) or not found.holds:
            yield f"算式不成立或数字没有来处：{sum_} {found.told()}"
        text += f"\n{sum_}"
    for turn in record.messages:
        if turn.role == "assistant":
            answer = _HOTLINES.sub("", turn.content)
            first = check_answer(answer, text, question=given)
            given += "\n" + "；".join(fact.text for fact in first.given)  # results of sums that the answer writes out
            missing = check_answer(answer, text, question=given).missing
            if told := "、".join(fact.text for fact in missing if _is_told(fact, answer, text + given)):
                yield f"没有来处：{told}"


def _is_told(fact: Fact, answer: str, known: str) -> bool:
    """Whether a fact that stands nowhere is a fault: an article of a law, not of a list; a date that is
    no part of one that is known; no count of papers."""
    if fact.kind == "条款":
        return bool(_OF_A_LAW.search(answer[: fact.start]))
    if fact.kind == "日期" or _MONTH_ALONE.fullmatch(fact.text):
        return not re.search(rf"(?<!\d){re.escape(fact.text)}", known)
    return fact.kind != "引语" and not _COUNT.fullmatch(fact.text)


def _worked(record: Record) -> str:
    """What calculators say: those called, and those that the record names."""
    called = [turn.content for turn in record.messages if turn.role == "tool"]
    named = [find_tool(row["name"]).call(row["arguments"]).text for row in record.extra.get("calculations", ())]
    return "\n".join([*called, *named, *(_arguments(record))])


def _arguments(record: Record) -> Iterator[str]:
    for turn in record.messages:
        for call in turn.tool_calls:
            yield "；".join(f"{name} {value}" for name, value in json.loads(call.arguments).items())


RULES: tuple[Callable[[Record, Texts], Iterable[str]], ...] = (
    naming, shape, length, asking_back, address, conduct, sources, tool_calls, numbers,
)  # fmt: skip


def faults(record: Record, texts: Texts) -> list[str]:
    """Everything that is wrong with one dialogue, each as `file id rule: what`."""
    return [f"{record.origin} {record.id} {rule.__name__}: {told}" for rule in RULES for told in rule(record, texts)]


def edges(record: Record) -> tuple[list[str], list[str]]:
    """How the answers begin (5 characters) and end (8), letters and digits only."""
    plain = [re.sub(r"\W", "", turn.content) for turn in answers(record)]
    return [text[:5] for text in plain], [text[-8:] for text in plain]


def asked_alone(record: Record) -> list[Record]:
    """Each thing the customer says, as a record of its own."""
    return [replace(record, messages=(turn,), tools=()) for turn in record.messages if turn.role == "user"]
