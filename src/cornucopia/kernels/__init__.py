"""Fast paths in plain PyTorch. Each has a slow reference beside its test and falls back to the plain path."""
