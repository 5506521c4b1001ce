"""Which records are taken, how often, and into which part: selection, mixing, splitting. No model."""
