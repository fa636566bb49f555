"""Ask: clouds, the API server, the endpoint, what ends when, what we may do."""
