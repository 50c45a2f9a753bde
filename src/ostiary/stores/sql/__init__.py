"""A store in a SQL database: SQLAlchemy Core makes the schema and the statements, the database's driver runs them."""

from ostiary.stores.sql.place import sqlite_url
from ostiary.stores.sql.store import SqlStore

__all__ = ["SqlStore", "sqlite_url"]
