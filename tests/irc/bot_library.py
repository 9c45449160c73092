"""A bot on the package irc (PyPI): it answers `!echo text` with the text."""

import sys

import irc.bot


class EchoBot(irc.bot.SingleServerIRCBot):
    def __init__(self, port):
        super().__init__([("127.0.0.1", port)], "echobot", "A bot")

    def on_welcome(self, connection, event):
        connection.join("#lobby")

    def on_pubmsg(self, connection, event):
        text = event.arguments[0]
        if text.startswith("!echo "):
            connection.privmsg(event.target, text[len("!echo "):])


EchoBot(int(sys.argv[1])).start()
