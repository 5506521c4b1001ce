"""The judge's scores are kept on the records; what it garbles is counted and never 0."""

from __future__ import annotations

import pytest

from cornucopia.core.errors import ConfigError
from cornucopia.factory.write.judge import Judge, JudgeConfig
from cornucopia.records.evidence import KEY, Evidence
from cornucopia.records.schema import Record
from servers import chat_server
from writing_fakes import pair, said, settings, stage_run

WORDS = {"甲": "得分：0.8", "乙": '{"reason": "漏了条件", "score": 0.4}', "丙": "写得很好！", "丁": "得分：95"}


def judge(server, tmp_path, records, **more):
    return stage_run(Judge(JudgeConfig.build(settings(server.url, tmp_path, **more))), records, tmp_path / "run")


def test_scores_are_kept_and_garbage_is_counted(tmp_path):
    records = [pair(f"问题{name}？", f"回答{name}", id=name, extra={"scores": {"rules": 1.0}}) for name in WORDS]
    records.append(Record(text="一篇文章", id="文"))
    with chat_server(answer=lambda body: next(WORDS[n] for n in WORDS if f"回答{n}" in said(body))) as server:
        outcome = judge(server, tmp_path, records)
    assert [record.id for record in outcome.kept] == [*WORDS, "文"] and not outcome.dropped
    scores = [record.extra.get("scores", {}).get("judge") for record in outcome.kept]
    assert scores == [0.8, 0.4, None, None, None]
    assert outcome.kept[0].extra["scores"]["rules"] == 1.0
    assert outcome.kept[1].extra["judged"] == {"model": "写手", "reason": "漏了条件"}
    assert outcome.counts == {"judged": 2, "unparsed": 2, "no_answer_to_judge": 1}


def test_the_judge_sees_the_evidence_and_a_rubric(tmp_path):
    evidence = Evidence("a.pdf", "年利率为4.35%", 2, 5, 14).to_dict()
    with chat_server(answer=lambda body: "得分：1") as server:
        judge(server, tmp_path, [pair("利率是多少？", "4.35%", extra={KEY: [evidence]})], aspects=["准确", "通俗"])
    prompt = said(server.requests[0])
    assert "年利率为4.35%" in prompt and "准确、通俗" in prompt and server.requests[0]["temperature"] == 0


def test_several_judgements_are_averaged(tmp_path):
    with chat_server(answer=lambda body: f"得分：{0.5 + (body['seed'] - 42) * 0.2:.1f}") as server:
        outcome = judge(server, tmp_path, [pair("问？", "答")], samples=3, temperature=0.5)
    assert outcome.kept[0].extra["scores"]["judge"] == pytest.approx(0.7)


def test_a_prompt_of_the_users_own_replaces_the_bundled_one(tmp_path):
    own = tmp_path / "prompts.yaml"
    own.write_text("system: ''\nscore: '只看{{ question }}和{{ answer }}，写得分：'\n", encoding="utf-8")
    with chat_server(answer=lambda body: "得分：0.5") as server:
        judge(server, tmp_path, [pair("问？", "答")], prompts=str(own))
    assert server.requests[0]["messages"] == [{"role": "user", "content": "只看问？和答，写得分："}]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("scor: a", "score"), ("score: 5", "score"), ("score: '{{ nothing }}'", "nothing"),
        ("score: '{% if %}'", "写法"),
        ("score: \"{{ ''.__class__.__mro__ }}\"", "填不进去"),
        ("score: '{% for x in range(10**9) %}x{% endfor %}'", "填不进去"),
    ],
)  # fmt: skip
def test_a_prompt_that_cannot_be_used_says_why(tmp_path, text, found):
    own = tmp_path / "prompts.yaml"
    own.write_text(text, encoding="utf-8")
    with chat_server(answer=lambda body: "得分：0.5") as server:
        with pytest.raises(ConfigError, match=found):
            judge(server, tmp_path, [pair("问？", "答")], prompts=str(own))
        assert not server.requests
