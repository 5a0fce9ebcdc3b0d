"""Answers every message with the same message."""

from whimbrel import WebSocketHandler, export


class Echo(WebSocketHandler):
    """One object of it per connection: what it holds is the state of that connection."""

    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


export(Echo)


# Rooms, in place of the above: who connects to /{{name}}/tea hears what the others in "tea" say. Give the manifest the
# route "/{{name}}/{room}", and this:
#
# from whimbrel import WebSocketHandler, export, publish
#
#
# class Member(WebSocketHandler):
#     def open(self, room):
#         self.room = room
#         self.subscribe(room)
#
#     def on_message(self, message):
#         # To all subscribers but the one who wrote it.
#         publish(self.room, message, binary=isinstance(message, bytes), exclude=self)
#
#
# export(Member)
