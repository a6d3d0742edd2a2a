"""Tuning by Optuna, on validation classes only, with an equal budget for every variant.

A study is a variant on a dataset: `plan` says which there are, `worker` runs their trials, `storage` keeps them, and
`outcome` is what they leave for everybody else: a JSON file a study, so that nobody but `tune` opens a storage.
"""
