"""Root directories of other Linux distributions, and what tools/distributions does in them.

roots.py makes and caches roots, and runs commands in them; enter.sh does the mounting. tools/in-root
is the command line of both. Tests import them from here.
"""
