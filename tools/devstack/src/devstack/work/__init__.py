"""Ten days of a venue office in March 2022, played by two sub-districts through the public API."""
