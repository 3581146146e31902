"""Exported files, measured and judged."""
