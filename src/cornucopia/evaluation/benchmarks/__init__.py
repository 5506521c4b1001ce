"""One benchmark a function: the files that its authors publish, checked and read into rows that a task can ask."""
