"""What records say in numbers: protocols, statistics, claims, published results. Imports no other room."""
