"""From addresses to pages on the disk, politely: never outside what was allowed, never twice."""
