"""From an output folder to files: report, tables, figures, attention maps. Imports `cells` and `reports`."""
