"""The one Record type, the file formats around it, and statistics. Needs no model."""
