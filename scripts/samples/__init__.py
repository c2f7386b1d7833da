"""Make the sample layers that a first run shows. Run by `make samples`."""
