"""Engines that others build on: databases and object stores."""
