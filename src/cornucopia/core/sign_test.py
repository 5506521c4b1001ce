"""The exact sign test: do two things that were tried on the same questions differ?"""

from __future__ import annotations

import math


def sign_test(more: int, less: int) -> float:
    """Two-sided exact p: how likely so uneven a split is where neither side is favoured; ties are left out.

    Of right-or-wrong answers to the same questions this is McNemar's exact test (McNemar 1947).

    Args:
        more, less: on how many questions the first did better, and the second.
    """
    count = more + less
    tail = sum(math.comb(count, k) for k in range(min(more, less) + 1))
    return min(1.0, 2 * tail / 2**count)
