"""Chance that depends on the seed and on what it is for, never on the order of work."""

from __future__ import annotations

import random
from collections.abc import Mapping


def chance(seed: int, *what: object) -> random.Random:
    """A generator of its own for one thing to be drawn."""
    return random.Random("\x1f".join(map(str, (seed, *what))).encode("utf-8", "surrogatepass"))


def pick(shares: Mapping[str, float], rng: random.Random) -> str:
    """One name, each as often as its share says."""
    return rng.choices(list(shares), list(shares.values()))[0]
