"""Verified finance in plain Python: calculators, dated rule tables, number reading. No machine learning."""
