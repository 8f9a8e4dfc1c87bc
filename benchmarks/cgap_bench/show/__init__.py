"""What do the records say? Metrics, statistics, tables, figures, pages."""
