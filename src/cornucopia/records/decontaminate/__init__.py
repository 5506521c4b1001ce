"""Training records that hold questions of an evaluation set."""
