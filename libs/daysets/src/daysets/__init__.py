"""Day sets: the restricted list as services and scanners carry it, each piece proven by the transparency log."""
