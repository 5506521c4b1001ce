"""The exact sign test against values counted by hand."""

import pytest

from cornucopia.core.sign_test import sign_test


def test_sign_test_by_hand():
    assert sign_test(0, 0) == 1 and sign_test(3, 3) == 1
    assert sign_test(0, 5) == pytest.approx(2 / 32) and sign_test(6, 0) == pytest.approx(2 / 64)
    assert sign_test(1, 7) == pytest.approx(2 * 9 / 256)
