"""The command line: what a user types and reads. Imports every room; no room imports it."""
