"""The pages and the JSON calls."""
