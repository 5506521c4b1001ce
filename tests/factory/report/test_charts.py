"""Charts hold what they are given and nothing a name could smuggle in."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from cornucopia.factory.report.charts import bars, equal_bins, filled, histogram, quantile

COUNTS = st.integers(0, 10**9)
BINS = st.lists(st.integers(0, 10**6), unique=True, max_size=200).flatmap(
    lambda edges: st.tuples(*(st.tuples(st.just(float(edge)), COUNTS) for edge in sorted(edges)))
)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc", "Cn")), max_size=30)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(NAMES, COUNTS), max_size=30), BINS)
def test_any_data_makes_a_well_formed_picture(rows, bins):
    for picture in (bars(rows), histogram(bins, "字"), histogram(filled(bins, 20))):
        ElementTree.fromstring(picture)


def test_names_are_text():
    assert "<script>" not in bars([("<script>alert(1)</script>", 3)])


@settings(max_examples=80, deadline=None)
@given(BINS)
def test_joining_bins_loses_no_record(bins):
    joined = filled(bins, 10)
    assert len(joined) <= 10 and sum(n for _, n in joined) == sum(n for _, n in bins)
    assert sum(n for _, n in equal_bins(bins)) == sum(n for _, n in bins)


def test_a_quantile_is_the_bin_that_reaches_it():
    bins = [(0, 5), (10, 4), (20, 1)]
    assert [quantile(bins, share) for share in (0.5, 0.9, 1.0)] == [0, 10, 20] and quantile([], 0.5) == 0


def test_shares_are_of_the_whole_given():
    assert "50.0%" in bars([("读入", 10), ("写出", 5)], whole=10) and "33.3%" in bars([("甲", 10), ("乙", 5)])
