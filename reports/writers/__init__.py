"""The writers of a `reports.table.Table`: one module a format, each with `render(table) -> str`. Imports `table`."""
