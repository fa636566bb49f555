"""Judge plain facts: each module one question; none of them contacts anybody."""
