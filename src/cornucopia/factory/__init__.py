"""The data factory: a recipe run from sources to a training set, shard by shard, with a trace and a report."""
