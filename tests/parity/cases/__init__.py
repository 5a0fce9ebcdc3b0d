"""All cases, and the rows of TORNADO.md that they have to cover."""

from cases import events, handshake, output, protocol, settings
from steps import Case

CASES: list[Case] = [*handshake.CASES, *events.CASES, *output.CASES, *settings.CASES, *protocol.CASES]

SECTIONS = {"A1": range(1, 19), "A2": range(19, 30), "A3": range(30, 36), "A4": range(36, 41)}
ROWS: list[str] = [f"{section}-{row:02}" for section, rows in SECTIONS.items() for row in rows]
