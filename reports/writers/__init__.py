"""Four ways to print a `reports.table.Table`, one module each, each with `render(table) -> str`."""
