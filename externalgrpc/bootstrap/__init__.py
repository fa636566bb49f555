"""Turn an order and join credentials into user-data."""
