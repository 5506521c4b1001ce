"""The numbers of policy gradients: advantages within a group, the clipped loss, how far from the start.

Shapes: P prompts, G answers of each, N = P * G rewards; S sequences of tokens written, K the longest of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_SMALL = 1e-4  # added to a standard deviation, as TRL does
FLAT = 1e-6  # rewards of a group that are closer than this say nothing


def group_relative(rewards: torch.Tensor, size: int, *, scaled: bool = True) -> torch.Tensor:
    """GRPO's advantages (Shao et al. 2024, arXiv:2402.03300): by how much each answer beats its group's mean, in the
    group's standard deviations; unscaled as Dr. GRPO has it (arXiv:2503.20783).

    Args:
        rewards: (N,), the answers of a prompt one after another.
        size: G.
    """
    groups = rewards.view(-1, size)
    apart = groups - groups.mean(1, keepdim=True)
    return (apart / (groups.std(1, keepdim=True) + _SMALL) if scaled else apart).flatten()


def leave_one_out(rewards: torch.Tensor, size: int) -> torch.Tensor:
    """RLOO's advantages (Ahmadian et al. 2024, arXiv:2402.14740): by how much each beats the mean of the others."""
    groups = rewards.view(-1, size)
    others = (groups.sum(1, keepdim=True) - groups) / (size - 1)
    return (groups - others).flatten()


def flat_groups(rewards: torch.Tensor, size: int) -> torch.Tensor:
    """(P,) bool: groups whose answers are all worth the same, from which nothing can be learnt."""
    groups = rewards.view(-1, size)
    return groups.max(1).values - groups.min(1).values < FLAT


def clipped(
    logps: torch.Tensor, before: torch.Tensor, advantages: torch.Tensor, low: float, high: float
) -> torch.Tensor:
    """-min(r A, clip(r, 1 - low, 1 + high) A) with r the probability now by that when it was written (PPO).

    Args:
        logps, before: log-probabilities, of tokens (S, K) or of whole sequences (S,).
        advantages: broadcast to them.
    """
    import torch

    ratio = torch.exp(logps - before)
    return -torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


def distance(logps: torch.Tensor, start: torch.Tensor) -> torch.Tensor:
    """Schulman's estimate of the KL divergence from the start, of each token: e^d - d - 1 with d = start - logps."""
    import torch

    apart = start - logps
    return torch.exp(apart) - apart - 1
