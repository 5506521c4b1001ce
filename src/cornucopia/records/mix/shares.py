"""How a total is dealt out over pools of different sizes: by weight and temperature, with fixed shares and limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pool:
    """One pool.

    Args:
        size: units that it holds.
        weight: relative to the others; 0 for none of it.
        share: of the whole, where it is fixed; the weight means nothing then.
        most: units that may be taken from it, repeats included.
    """

    size: float
    weight: float = 1.0
    share: float | None = None
    most: float = float("inf")


def allot(pools: Sequence[Pool], temperature: float = 1.0, total: float | None = None) -> list[float]:
    """Units to take from each pool.

    A pool's part is proportional to weight x size^(1 / temperature) (temperature sampling, as multilingual models are
    trained with: Devlin et al., multilingual BERT; XLM-R); pools with a fixed share get that, the others deal out the
    rest. Where a pool cannot give its part, the others of its kind take over what is missing.

    Args:
        pools: in any order.
        temperature: 1 keeps the sizes' proportions, more evens them out.
        total: units wanted in all; None for the most at which every pool can give its exact part.
    """
    if total is None:
        total = _largest(pools, temperature)
    fixed = sum(pool.share for pool in pools if pool.share is not None)
    result = [min(pool.share * total, pool.most) if pool.share is not None else 0.0 for pool in pools]
    free = [index for index, pool in enumerate(pools) if pool.share is None]
    left = total * (1 - fixed) if free else 0.0
    return _filled(pools, free, left, temperature, result)


def whole_units(wanted: Sequence[float]) -> list[float]:
    """The amounts as whole numbers of the same total: those with the largest fractions are rounded up."""
    down = [float(int(amount + 1e-9)) for amount in wanted]
    more = round(sum(wanted) - sum(down))
    for index in sorted(range(len(down)), key=lambda index: (down[index] - wanted[index], index))[:more]:
        down[index] += 1
    return down


def _part(pool: Pool, temperature: float) -> float:
    return pool.weight * pool.size ** (1 / temperature) if pool.size else 0.0


def _largest(pools: Sequence[Pool], temperature: float) -> float:
    """The largest total at which no pool is asked for more than it may give."""
    fixed = sum(pool.share for pool in pools if pool.share is not None)
    parts = sum(_part(pool, temperature) for pool in pools if pool.share is None)
    limits = []
    for pool in pools:
        part = (
            pool.share if pool.share is not None else (1 - fixed) * _part(pool, temperature) / parts if parts else 0.0
        )
        limits += [pool.most / part] if part else []
    return min(limits, default=0.0)


def _filled(
    pools: Sequence[Pool], free: list[int], left: float, temperature: float, result: list[float]
) -> list[float]:
    """Deal `left` out over the free pools; one that is full leaves the rest to the others."""
    open_pools = [index for index in free if _part(pools[index], temperature) > 0]
    while open_pools and left > 0:
        parts = sum(_part(pools[index], temperature) for index in open_pools)
        full = [i for i in open_pools if left * _part(pools[i], temperature) / parts >= pools[i].most]
        for index in full or open_pools:
            result[index] = min(pools[index].most, left * _part(pools[index], temperature) / parts)
        if not full:
            break
        left -= sum(pools[index].most for index in full)
        open_pools = [index for index in open_pools if index not in full]
    return result
