"""Tables, figures and a page from the data frame of records, of which it uses only the columns."""
