"""Comparison: N contestants answer M questions; one table, one self-contained report. Knows engines, never how they compute."""
