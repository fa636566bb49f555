"""What a cloud's module may stand on: HTTP in bounded time, marks as tags, caches, lists."""
