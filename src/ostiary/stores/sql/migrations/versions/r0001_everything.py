"""The first schema."""

import sqlalchemy as sa
from alembic import op

from ostiary.system import SystemEntropy

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table, and the head of the feed with an incarnation of its own."""
    text = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # ordered and compared by code point
    op.create_table(
        "users",
        sa.Column("id", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("roles", text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("disabled_at", sa.BigInteger),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_table(
        "identifiers",
        sa.Column("kind", text, nullable=False),
        sa.Column("value", text, nullable=False),
        sa.Column("typed", text, nullable=False),
        sa.Column("user_id", text, nullable=False),
        sa.Column("verified_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("kind", "value", name="pk_identifiers"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_identifiers_user_id", ondelete="CASCADE"),
    )
    op.create_index("ix_identifiers_user_id", "identifiers", ["user_id"])
    op.create_table(
        "credentials",
        sa.Column("id", text, nullable=False),
        sa.Column("user_id", text, nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("secret", text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_credentials"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_credentials_user_id", ondelete="CASCADE"),
    )
    op.create_index("ix_credentials_user_id_kind", "credentials", ["user_id", "kind"])
    op.create_table(
        "sessions",
        sa.Column("id", text, nullable=False),
        sa.Column("user_id", text, nullable=False),
        sa.Column("carrier", text, nullable=False),
        sa.Column("client_id", text, nullable=False),
        sa.Column("device_name", text, nullable=False),
        sa.Column("user_agent", text, nullable=False),
        sa.Column("ip", text, nullable=False),
        sa.Column("amr", text, nullable=False),
        sa.Column("auth_time", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("last_seen_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("tokens_until", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("accepted", sa.BigInteger, nullable=False),
        sa.Column("issued", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.BigInteger, nullable=False),
        sa.Column("kept", sa.BigInteger, nullable=False),
        sa.Column("turned_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("revoked_for", text),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index("ix_sessions_revoked_at", "sessions", ["revoked_at"])
    feed_head = op.create_table(
        "feed_head",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("incarnation", text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feed_head"),
    )
    op.bulk_insert(feed_head, [{"id": 1, "incarnation": SystemEntropy().bytes(16).hex(), "seq": 0}])
    op.create_table(
        "feed",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("sid", text),
        sa.Column("floor", sa.BigInteger),
        sa.Column("until", sa.BigInteger),
        sa.Column("name", text),
        sa.Column("version", sa.BigInteger),
        sa.PrimaryKeyConstraint("seq", name="pk_feed"),
    )
    op.create_table(
        "documents",
        sa.Column("name", text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("body", text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_documents"),
    )
    op.create_table(
        "counters",
        sa.Column("key", text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_counters"),
    )
    op.create_index("ix_counters_at", "counters", ["at"])
    op.create_table(
        "keys",
        sa.Column("id", text, nullable=False),
        sa.Column("purpose", text, nullable=False),
        sa.Column("algorithm", text),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("signs_from", sa.BigInteger, nullable=False),
        sa.Column("verifies_until", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), nullable=False),
        sa.Column("kind", text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("user_id", text, nullable=False),
        sa.Column("session_id", text, nullable=False),
        sa.Column("actor", text, nullable=False),
        sa.Column("ip", text, nullable=False),
        sa.Column("detail", text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_user_id_at", "events", ["user_id", "at"])
    op.create_index("ix_events_at", "events", ["at"])
