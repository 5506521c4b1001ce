"""Records that say the same: exact and near duplicates, the same question answered differently."""
