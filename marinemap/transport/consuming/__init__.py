"""Claiming messages, keeping them, settling them; keeping rates; and clearing away."""
