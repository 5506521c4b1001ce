"""Records that a model writes or judges: questions from documents, instructions, polish, dialogues, pairs, scores."""
