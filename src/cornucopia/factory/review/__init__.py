"""People look at records: source beside record, a verdict for each, kept and resumable."""
