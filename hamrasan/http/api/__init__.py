"""The endpoints: one module for each file of the specification's `data/api`."""
