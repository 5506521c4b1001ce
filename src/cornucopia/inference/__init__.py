"""Ask a model: the Engine contract, its implementations, batch files and chat. Never imports training."""
