"""One file a dataset: what its raw distribution looks like and how it becomes features."""
