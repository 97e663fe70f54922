"""The demo: a small Flask application whose people sign in with Hub.

    python -m demo_app            with a dev Hub of its own
    FLASK_HUB_URL=... python -m demo_app    with a real one

Where to read what:

    app.py       create_app: the settings, and the order in which things are put together
    pages.py     the pages, and which of them need a login or a group
    flows.py     the pages of Hub's other flows: calls at other services, an API, commands for scripts, consent
    sessions.py  the page "your sessions", and what becomes of a browser whose login was ended elsewhere
    jobs.py      a thread that acts as somebody for a while
    issues.py    that other service, on a port of its own: what a token has to be like there
    panel.py     what the panel remembers: fed by the extension's signals and the dev Hub's list of calls
    words.py     moments, and what a guard asks for, in plain words
    serving.py   ports, the two servers, the persistent key
    __main__.py  starts and ends it
    static/api.js    the script of the page that obtains its token itself
"""
