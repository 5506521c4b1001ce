"""Models: the catalogue, what is on this disk, loading with dtype and quantisation. Knows nothing of data or training."""
