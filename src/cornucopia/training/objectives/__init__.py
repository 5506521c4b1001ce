"""What is learnt. An objective is one file here and one entry in OBJECTIVES; nothing else knows it by name."""

from __future__ import annotations

from typing import Any

from cornucopia.training.objectives.kto import Kto
from cornucopia.training.objectives.preference import Dpo, Ipo, Orpo, SimPo
from cornucopia.training.objectives.pretrain import Pretraining
from cornucopia.training.objectives.reinforce import Grpo, Rloo
from cornucopia.training.objectives.reward import Reward
from cornucopia.training.objectives.sft import InstructionTuning

OBJECTIVES: dict[str, Any] = {
    "sft": InstructionTuning,
    "pretrain": Pretraining,
    "dpo": Dpo,
    "ipo": Ipo,
    "simpo": SimPo,
    "orpo": Orpo,
    "kto": Kto,
    "grpo": Grpo,
    "rloo": Rloo,
    "reward": Reward,
}
