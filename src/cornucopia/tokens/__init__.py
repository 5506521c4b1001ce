"""Records to token ids: templates, rendering, the loss mask, batches. The only place where a mask is decided."""
