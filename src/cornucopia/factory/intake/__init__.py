"""Where records come from: one file a kind of source, each a row of factory.tables.INTAKES."""
