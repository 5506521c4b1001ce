"""Records become token files and batches: what is trained on, in which order, held out or kept from last time."""
