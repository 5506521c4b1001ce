"""The loss curve of a run as a PNG, from its log.jsonl."""

from __future__ import annotations

from pathlib import Path

from cornucopia.core.jsonl import read_jsonl


def plot_loss(log: Path, target: Path) -> None:
    """Draw training and validation loss against the step (labels in English: plot fonts often lack Chinese)."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = list(read_jsonl(log))
    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=120)
    told = {key for row in rows for key in row if key.startswith("eval_") and key.endswith("_loss")}
    sets = sorted(told - {"eval_loss"})
    names = {key: key[5:-5] if key.isascii() else f"validation set {n + 1}" for n, key in enumerate(sets)}
    curves = [("loss", "train"), ("eval_loss", "validation"), *((key, names[key]) for key in sets)]
    for key, label in curves:
        points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="." if len(points) < 30 else None)
    axes.set(xlabel="step", ylabel="loss (nats per trained token)")
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    figure.tight_layout()
    figure.savefig(target)
    pyplot.close(figure)
