"""Lets every Python of a suite, workers in processes of their own too, know the transport."""

from marinemap import transport

transport.register()
