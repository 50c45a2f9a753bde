"""A mail server, for a thread that waits for it."""

from ostiary.mail.smtp import SmtpInThread as Smtp

__all__ = ["Smtp"]
