"""The status page: what the server knows, as one JSON and as a page that shows it."""
