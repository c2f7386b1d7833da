"""An app as an agency may add one: its tasks are found by their module's name."""
