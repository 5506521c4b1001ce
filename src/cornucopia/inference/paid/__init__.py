"""Asking a model what may cost money: an estimate first, a budget, and never the same thing twice."""
