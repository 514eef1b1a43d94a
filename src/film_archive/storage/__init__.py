"""Engines that others build on: databases, locks between processes."""
