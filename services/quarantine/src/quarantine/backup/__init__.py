"""The record's backup, inside a release: its counts and hashes beside a dump that another container makes, and the keys, sealed.

Here because this service's image carries the log and the lists whose signatures are verified; it reads the other schemas as a
backup does, as a role that may read all of them.
"""
