"""From a recipe to a tuned model, in four rooms.

data/ (records -> token files -> batches), objectives/ (what is learnt), methods/ (what changes), run/ (one run of it).
"""
