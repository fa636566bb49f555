"""The values that everything is said in: groups, names, quantities, how machines join."""
