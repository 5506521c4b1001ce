"""Finance benchmarks on lm-evaluation-harness: its runner and task format, our engines, answers read strictly."""
