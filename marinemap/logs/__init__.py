"""What the site writes down: one id from the request to the last letter, in text or JSON."""
