"""How letters leave: put into words in the reader's language, and given to a mail server, a folder or the console.

auth = Auth.embedded("app.db", issuer="https://id.example",
                     mailer=Mail.at("smtp://user:password@mail.example:587", sender="Example <no-reply@id.example>"))
"""

from ostiary.mail.mail import Mail, Transport

__all__ = ["Mail", "Transport"]
