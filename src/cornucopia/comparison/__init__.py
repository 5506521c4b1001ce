"""Comparison: N contestants, M questions, one table, one self-contained report. Knows engines, not how they compute."""
