"""The web page of `cornucopia serve`: hand-written static files, and the routes under /page/api that they ask."""
