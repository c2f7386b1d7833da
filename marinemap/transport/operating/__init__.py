"""What people ask of the queue: where a message stands, how it goes, what has died."""
