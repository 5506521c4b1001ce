"""Cleaning: named rules, each counted and switchable, that mend texts or drop the record."""
