"""Models: the catalogue, what is on this disk, loading. Knows nothing of data or training."""
