"""The Sources desk, and every page that shows a document."""
