"""Pools: where jobs run, on processes of this machine or elsewhere. Imports no other file of `run`.

Time limits, retries, locks and the writing of records are above every pool (`benchmark/run/jobs.py`).
"""
