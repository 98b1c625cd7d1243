"""The methods that ship, one file each.

A file defines ``METHOD``, is named after it, and imports no torch when it is loaded. Nothing else
lists the methods: a new file is a new method.
"""
