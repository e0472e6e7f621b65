"""The ports: one small protocol class for each noun, owned by the services that use them.

Writing goes through one door, the `Journal`: every decision is one `Batch` of `Write` values, and each noun's
module defines its own. Reading goes through one protocol class for each noun.
"""
