"""Where in a text an answer comes from."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cornucopia.records.locate import locate

TEXT = (
    "存款保险保护本金和利息。每人每家银行最高偿付50万元。\n\n"
    "## 谁来付\n\n保险基金由银行缴纳，储户不用交钱。银行被接管后7个工作日内赔付。\n\n"
    "## 例外\n\n理财产品、基金不在保护范围。外币存款按人民币折算。\n"
)


def test_the_sentence_with_the_facts_is_found():
    found = locate("最多赔50万元，超过的部分看清算。", TEXT)
    assert found.quotes(TEXT) == ["每人每家银行最高偿付50万元。"]


def test_words_decide_where_there_is_no_figure():
    found = locate("基金和理财产品不受保护。", TEXT)
    assert found.quotes(TEXT) == ["理财产品、基金不在保护范围。"] and found.words > 0.4


def test_facts_of_two_places_give_two_stretches_that_cross_no_heading():
    found = locate("每人50万元以内，接管后7个工作日内赔付。", TEXT)
    assert found.quotes(TEXT) == ["每人每家银行最高偿付50万元。", "银行被接管后7个工作日内赔付。"]
    assert not any("#" in quote for quote in found.quotes(TEXT))


def test_a_text_without_a_sentence_has_no_place():
    assert locate("50万元", "## 只有标题\n\n") is None and locate("50万元", "") is None


@given(st.text(alphabet="一二三45万元。！\n#「」 a", max_size=80), st.text(alphabet="一二4万元。", max_size=20))
def test_stretches_lie_in_the_text_in_order_and_apart(text, answer):
    found = locate(answer, text)
    if found:
        assert all(text[start:end].strip() == text[start:end] != "" for start, end in found.spans)
        assert all(one[1] <= other[0] for one, other in zip(found.spans, found.spans[1:], strict=False))
        assert 0 <= found.words <= 1
