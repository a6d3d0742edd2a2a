"""The command line. It imports every room; no room imports it."""
