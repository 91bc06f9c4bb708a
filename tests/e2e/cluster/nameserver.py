"""The nodes' DNS server: knows no name at all, so that no question leaves the machine.

python -m ...nameserver ADDRESS     (an address in 127.0.0.0/8; port 53)
"""

from __future__ import annotations

import socket
import sys


def answer(question: bytes) -> bytes:
    """The question sent back as an answer with the code 'no such name'."""
    flags = bytes([0x80 | (question[2] & 0x79), 0x80 | 3])
    end = 12
    while end < len(question) and question[end]:
        end += question[end] + 1
    return question[:2] + flags + b"\0\1\0\0\0\0\0\0" + question[12 : end + 5]


def main() -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((sys.argv[1], 53))
    while True:
        question, sender = server.recvfrom(4096)
        if len(question) > 12:
            server.sendto(answer(question), sender)


if __name__ == "__main__":
    main()
