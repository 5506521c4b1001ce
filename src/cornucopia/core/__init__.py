"""What every stage may use: errors, strict configuration, console, paths, JSON Lines, device choice.

Knows nothing of models or finance.
"""
