"""Storing messages, and the exchanges, queues and bindings that say where."""
