"""Turns a data frame of records into what people read; knows records only by their columns."""
