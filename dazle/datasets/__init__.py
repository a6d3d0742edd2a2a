"""Datasets: one reader for each published archive, preparation, imports, simulated sets. Imports every other room."""
