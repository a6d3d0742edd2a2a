"""Tables, figures and a page from the data frame of records, which it knows by its columns only."""
