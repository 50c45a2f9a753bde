"""A Django project behind Ostiary."""
