"""Datasets: readers of published archives, preparation, imports, simulated sets. Imports `extraction`, `features`."""
