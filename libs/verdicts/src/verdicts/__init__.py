"""What a checkpoint answers and why: the same rules for the service and for a scanner without network.

Pure: no I/O, no clock, no generated code. `credential.read` makes sense of what was shown, `verdict.decide` judges
it, `texts` says it in Chinese and English.
"""
