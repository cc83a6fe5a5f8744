"""The reference scanner: verdicts on line and off line, from a list whose proofs it verifies itself.

    async with Scanner(folder, target, device_id, device_key, log_keys=keys) as scanner:
        shown = await scanner.scan(text, Observations(temperature_decicelsius=366, …))

A client of the checkpoint service and nothing else: it carries libraries, never the services' runtime.
"""
