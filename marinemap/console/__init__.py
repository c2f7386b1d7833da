"""The operators' console: Django's admin site, with the service on its first page."""
