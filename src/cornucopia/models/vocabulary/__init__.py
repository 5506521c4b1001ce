"""A base's vocabulary made wider by pieces of the user's own text, all old ids kept."""
