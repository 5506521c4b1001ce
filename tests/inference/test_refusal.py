"""Refusals in the shapes of the services: which of them are about one prompt, and which about all that follow."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cornucopia.inference.refusal import judge

CONTENT = [
    (400, {"error": {"message": "rejected", "type": "invalid_request_error", "code": "content_policy_violation"}}),
    (403, {"error": {"code": 403, "message": "Input blocked", "metadata": {"reasons": ["x"], "flagged_input": "某"}}}),
    (400, {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}, "status": 400}}),
    (400, {"error": {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}}),
    (400, {"code": "DataInspectionFailed", "message": "Output data may contain inappropriate content."}),
    (400, {"contentFilter": [{"level": 1, "role": "user"}], "error": {"code": "1301", "message": "系统检测到"}}),
    (400, {"error": {"type": "content_filter", "message": "The request was rejected: it was considered high risk"}}),
    (400, {"error": {"message": "Content Exists Risk", "type": "invalid_request_error"}}),
    (403, {"error": {"message": "输入内容没有通过审核，含有敏感信息", "type": "api_error", "code": "10013"}}),
    (200, {"code": 10014, "message": "内容合规检查未通过", "sid": "x"}),
    (400, {"error": {"message": "the input contains unsafe words，内容安全拦截", "code": "336104"}}),
    (200, {"error_code": 336003, "error_msg": "the content is illegal"}),
    (451, "Unavailable For Legal Reasons"),
    (403, "prompt was flagged by moderation"),
    (500, {"error": {"message": "Your request was rejected by our safety system"}}),
]
FOR_ALL = [
    (401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}),
    (402, {"error": {"message": "Insufficient Balance"}}),
    (403, {"error": {"message": "You do not have access to model gpt-x"}}),
    (403, {"code": "AccessDenied.Unpurchased", "message": "Access denied."}),
    (403, {"error": {"message": "无权访问 glm-x", "code": "1220"}}),
    (403, {"error": {"message": "Key limit exceeded (total limit)"}}),
    (400, {"code": "Arrearage", "message": "Access denied, make sure your account is in good standing."}),
    (429, {"error": {"code": "1113", "message": "您的账户已欠费，请充值后重试"}}),
    (429, {"error": {"type": "exceeded_current_quota_error", "message": "check your plan"}}),
    (403, {"error": {"message": "您的账号因违规已被封禁"}}),
    (404, {"error": {"message": "The model `m` does not exist"}}),
    (400, {"error": {"message": "model m not found"}}),
]
PASSING = [(429, {"error": {"message": "Rate limit reached"}}), (500, "oops"), (503, "<html>busy</html>"), (529, "")]


@pytest.mark.parametrize(("status", "body"), CONTENT)
def test_a_content_check_is_about_one_prompt(status, body):
    refusal = judge(status, body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))
    assert (refusal.kind, refusal.all, refusal.again) == ("content", False, False) and "审核" in refusal.what


@pytest.mark.parametrize(("status", "body"), FOR_ALL)
def test_a_refusal_of_key_account_or_model_is_about_all(status, body):
    refusal = judge(status, json.dumps(body, ensure_ascii=False))
    assert refusal.all and not refusal.again and refusal.kind in ("key", "account", "model")


@pytest.mark.parametrize(("status", "body"), PASSING)
def test_trouble_of_the_service_may_pass(status, body):
    assert judge(status, body).again and not judge(status, body).all


@pytest.mark.parametrize("question", ["信用卡欠费会不会影响征信，账户被冻结怎么办", "my account is suspended: why"])
def test_words_of_the_question_decide_nothing(question):
    echoed = {"error": {"code": 403, "message": f"the input was flagged: {question}"}}
    assert judge(403, json.dumps(echoed, ensure_ascii=False), question).kind == "content"
    assert judge(403, f"blocked: {question}", question).kind == "forbidden"
    assert not judge(403, f"blocked: {question}", question).all


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


@given(st.sampled_from([200, 400, 401, 403, 429, 500]), st.text() | values | values.map(json.dumps), st.text())
def test_any_body_is_judged(status, body, prompt):
    refusal = judge(status, body, prompt)
    assert refusal.what and len(refusal.message) <= 300
