"""Protocols, statistics over seeds, verdicts on claims, published numbers. Imports no other room."""
