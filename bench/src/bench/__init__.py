"""Every figure that the product promises, measured by one command: `make bench`."""
