"""One run: plan, loop, checkpoints, trackers, memory, speed. Knows no objective and no method by name."""
