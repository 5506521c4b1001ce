"""What a run of the factory looks like: one self-contained HTML file."""
