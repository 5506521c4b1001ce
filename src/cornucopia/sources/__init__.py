"""The outside world -> Document or raw row. Needs no model."""
