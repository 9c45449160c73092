"""A bot on nothing but the standard library: it answers `!echo text` with the text."""

import socket
import sys

connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
lines = connection.makefile("r", encoding="utf-8", newline="\r\n")


def send(line):
    connection.sendall(f"{line}\r\n".encode())


send("NICK echobot")
send("USER echobot 0 * :A bot")
for line in lines:
    words = line.rstrip("\r\n").split(" ", 3)
    if words[0] == "PING":
        send(f"PONG {words[1]}")
    elif words[1] in ("376", "422"):
        send("JOIN #lobby")
    elif words[1] == "PRIVMSG" and words[3].startswith(":!echo "):
        send(f"PRIVMSG {words[2]} :{words[3][len(':!echo '):]}")
