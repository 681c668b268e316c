"""Entry point of a checkout for WSGI servers: ``gunicorn wsgi:app``.

It is not part of the wheel; an installed package is served as ``tracker.app:create_app()``.
"""

from tracker.app import create_app

app = create_app()
