"""Models behind HTTP: the API that OpenAI's clients speak, and ChatGLM's and MOSS's own."""
