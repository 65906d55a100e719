"""Measure the cost and the lost requests of the collection beside kubernetes.core and kubectl. Not shipped."""
