"""Export to GGUF, the one file that llama.cpp and Ollama read."""
