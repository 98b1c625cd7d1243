"""POPE: yes/no questions about objects in images."""
