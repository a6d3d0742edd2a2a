"""The page of a run: one HTML file. Imports `tables`, `figures` and `writers`."""
