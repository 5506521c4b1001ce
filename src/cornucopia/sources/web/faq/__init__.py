"""Questions and answers of a page: as schema.org markup declares them, and as the page is shaped."""
