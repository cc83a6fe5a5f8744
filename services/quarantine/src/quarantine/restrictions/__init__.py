"""Restrictions on people: never without a rule, evidence, two approvers, an end and a log entry."""
