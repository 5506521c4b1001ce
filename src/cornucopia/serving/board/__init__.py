"""The training board: the runs of this machine watched, and started, in the browser. Trains nothing itself."""
