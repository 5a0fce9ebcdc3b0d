//! The guest of all languages in Zig; tests/languages/README.md says what it does.

const std = @import("std");
const whimbrel = @import("whimbrel/whimbrel.zig");

const Connection = whimbrel.Connection;
const Request = whimbrel.Request;

const Case = struct {
    memory: std.heap.ArenaAllocator,
    query: ?[]const u8,
    args: []const u8,
    request: []const u8,
    headers: []const whimbrel.Header,
    messages: u32 = 0,

    pub fn open(_: Connection, request: Request) !Case {
        if (fails(request.query, "open")) return whimbrel.fail("failed in open");
        var memory: std.heap.ArenaAllocator = .init(whimbrel.allocator);
        const space = memory.allocator();
        const args = try space.alloc([]const u8, request.args.len);
        for (args, request.args) |*to, from| {
            to.* = try std.fmt.allocPrint(space, "{s}={s}", .{ from.name orelse "_", from.value orelse "-" });
        }
        const headers = try space.alloc(whimbrel.Header, request.headers.len);
        for (headers, request.headers) |*to, from| {
            to.* = .{ .name = try space.dupe(u8, from.name), .value = try space.dupe(u8, from.value) };
        }
        const subprotocols = try std.mem.join(space, ",", request.subprotocols);
        const shown = "path={s} host={s} origin={s} subprotocols={s} secure={}";
        const origin = request.origin orelse "-";
        const fields = .{ request.path, request.host, origin, subprotocols, request.secure };
        const query = if (request.query) |query| try space.dupe(u8, query) else null;
        return .{
            .query = query,
            .args = try std.mem.join(space, ",", args),
            .request = try std.fmt.allocPrint(space, shown, fields),
            .headers = headers,
            .memory = memory,
        };
    }

    pub fn onMessage(self: *Case, connection: Connection, message: whimbrel.Message) !void {
        self.messages += 1;
        if (message != .text or !std.mem.startsWith(u8, message.text, "!")) {
            _ = try connection.send(message);
            return;
        }
        const name, const rest = parts(message.text[1..]);
        if (std.mem.eql(u8, name, "fail")) return whimbrel.fail(rest);
        const answer = self.run(connection, name, rest) catch |failure| switch (failure) {
            error.Closed => "error closed",
            error.UnknownConnection => "error unknown-connection",
            error.TooLarge => "error too-large",
            error.BufferFull => "error buffer-full",
            error.Invalid => "error invalid",
            error.Denied => "error denied",
            else => return failure,
        };
        if (answer) |text| try connection.sendText(text);
    }

    pub fn onClose(self: *Case, _: Connection, info: whimbrel.CloseInfo) void {
        if (fails(self.query, "close")) @panic("failed in close");
        var buffer: [8]u8 = undefined;
        const code = if (info.code) |code| std.fmt.bufPrint(&buffer, "{}", .{code}) catch unreachable else "-";
        const cause = whimbrel.arena.dupe(u8, @tagName(info.cause)) catch @panic("out of memory");
        std.mem.replaceScalar(u8, cause, '_', '-');
        whimbrel.print("closed code={s} reason={s} cause={s}", .{ code, info.reason orelse "-", cause });
        self.memory.deinit();
    }

    pub fn onPing(self: *Case, connection: Connection, data: []const u8) void {
        if (fails(self.query, "ping")) @panic("failed in ping");
        tell(connection, "ping", data);
    }

    pub fn onPong(self: *Case, connection: Connection, data: []const u8) void {
        if (fails(self.query, "pong")) @panic("failed in pong");
        if (data.len > 0) tell(connection, "pong", data);
    }

    pub fn upgrade(request: Request, _: bool, answer: *whimbrel.Answer) void {
        if (fails(request.query, "upgrade")) @panic("failed in upgrade");
        const query = request.query orelse "";
        if (std.mem.startsWith(u8, query, "refuse=")) {
            answer.refuse = std.fmt.parseInt(u16, query["refuse=".len..], 10) catch 400;
            answer.headers = &.{.{ .name = "x-refused", .value = "yes" }};
            answer.body = "refused";
            return;
        }
        for (request.subprotocols) |name| {
            if (std.mem.eql(u8, name, "case.v2")) answer.subprotocol = name;
        }
        answer.headers = &.{.{ .name = "x-case", .value = "yes" }};
    }

    /// The answer to a command, if it has one.
    fn run(self: *Case, connection: Connection, name: []const u8, rest: []const u8) !?[]const u8 {
        const Command = enum {
            args,
            query,
            header,
            request,
            subprotocol,
            count,
            close,
            ping,
            subscribe,
            unsubscribe,
            publish,
            @"publish-others",
            attach,
            attachment,
            print,
            eprint,
        };
        const first, const text = parts(rest);
        switch (std.meta.stringToEnum(Command, name) orelse return "unknown command") {
            .args => return self.args,
            .query => return self.query orelse "-",
            .header => {
                for (self.headers) |field| {
                    if (std.mem.eql(u8, field.name, rest)) return field.value;
                }
                return "-";
            },
            .request => return self.request,
            .subprotocol => return (try connection.inspect()).subprotocol orelse "-",
            .count => return try std.fmt.allocPrint(whimbrel.arena, "{}", .{self.messages}),
            .close => {
                try connection.close(std.fmt.parseInt(u16, first, 10) catch null, text);
                return null;
            },
            .ping => {
                try connection.ping(rest);
                return null;
            },
            .subscribe => try connection.subscribe(rest),
            .unsubscribe => try connection.unsubscribe(rest),
            .publish => return try counted(try whimbrel.publish(first, .{ .text = text }, &.{})),
            .@"publish-others" => return try counted(try whimbrel.publish(first, .{ .text = text }, &.{connection})),
            .attach => try connection.attach(rest),
            .attachment => return try connection.attachment(),
            .print => whimbrel.print("{s}", .{rest}),
            .eprint => whimbrel.warn("{s}", .{rest}),
        }
        return "ok";
    }
};

fn counted(count: u32) ![]const u8 {
    return std.fmt.allocPrint(whimbrel.arena, "ok {}", .{count});
}

fn tell(connection: Connection, event: []const u8, data: []const u8) void {
    const text = std.fmt.allocPrint(whimbrel.arena, "{s} {s}", .{ event, data }) catch return;
    connection.sendText(text) catch {};
}

/// What stands before the first space, and behind it.
fn parts(text: []const u8) struct { []const u8, []const u8 } {
    const end = std.mem.findScalar(u8, text, ' ') orelse return .{ text, "" };
    return .{ text[0..end], text[end + 1 ..] };
}

fn fails(query: ?[]const u8, function: []const u8) bool {
    const text = query orelse return false;
    return std.mem.startsWith(u8, text, "fail=") and std.mem.eql(u8, text["fail=".len..], function);
}

comptime {
    whimbrel.handle(Case);
}

pub const panic = whimbrel.panic;
