//! WebSocket handlers for Whimbrel in Zig: a struct, one value of it per connection; `handle` makes it the handler.
//!
//! The functions of the host and of the handler are declared here as the component model passes their arguments
//! (https://github.com/WebAssembly/component-model, canonical ABI); `whimbrel componentize` checks each against wit/.

const std = @import("std");

/// For what is to outlive an event.
pub const allocator = std.heap.wasm_allocator;

/// Gives memory that is free again when the event ends; what handlers are given lies in it.
pub const arena = event_arena.allocator();

var event_arena: std.heap.ArenaAllocator = .init(allocator);

// ---- What handlers are given ----

/// One complete message.
pub const Message = union(enum) {
    text: []const u8,
    binary: []const u8,

    pub fn data(message: Message) []const u8 {
        return switch (message) {
            inline else => |bytes| bytes,
        };
    }
};

/// A capture of the route's pattern: no name for an unnamed group, no value for one that took no part.
pub const Arg = struct { name: ?[]const u8, value: ?[]const u8 };

/// A header field, the name in lower case.
pub const Header = struct { name: []const u8, value: []const u8 };

/// The request of the opening handshake.
pub const Request = struct {
    path: []const u8,
    query: ?[]const u8,
    args: []const Arg,
    headers: []const Header,
    host: []const u8,
    origin: ?[]const u8,
    subprotocols: []const []const u8,
    peer: []const u8,
    secure: bool,

    /// The value of the route's capture of this name.
    pub fn arg(request: Request, name: []const u8) ?[]const u8 {
        for (request.args) |it| {
            if (it.name != null and std.mem.eql(u8, it.name.?, name)) return it.value;
        }
        return null;
    }

    /// The first header field of this name.
    pub fn header(request: Request, name: []const u8) ?[]const u8 {
        for (request.headers) |it| {
            if (std.mem.eql(u8, it.name, name)) return it.value;
        }
        return null;
    }
};

/// Who or what ended a connection.
pub const Cause = enum(u8) {
    peer,
    guest,
    network,
    ping_timeout,
    protocol_error,
    invalid_text,
    message_too_big,
    rate_limited,
    slow_consumer,
    guest_error,
    drained,
};

/// How a connection ended; code and reason are those of the peer's close frame.
pub const CloseInfo = struct { code: ?u16, reason: ?[]const u8, cause: Cause };

/// The answer to a handshake. It comes filled in: accepted, or refused with 403 where the manifest's origin rule says so.
pub const Answer = struct {
    /// The status of a refusal, 300 to 599.
    refuse: ?u16,
    /// One of the request's.
    subprotocol: ?[]const u8 = null,
    headers: []const Header = &.{},
    /// The body of a refusal.
    body: []const u8 = "",
    max_message_size: ?u32 = null,
    ping_interval_ms: ?u32 = null,
    ping_timeout_ms: ?u32 = null,
};

// ---- What handlers may call ----

/// Why a call was refused. Nothing was queued or changed. `detail` has the host's words for Invalid and Denied.
pub const Error = error{ Closed, UnknownConnection, TooLarge, BufferFull, Invalid, Denied };

/// What the host said of the last Invalid or Denied of this event.
pub fn detail() []const u8 {
    return last_detail;
}

/// A connection's number, with what can be done to it. It may be kept and compared.
pub const Connection = extern struct {
    id: u32,

    /// Queue a message; returns at once, with the bytes that wait for the peer.
    pub fn send(connection: Connection, message: Message) Error!u32 {
        var result: Result = undefined;
        const lent: Lent = .of(message);
        host.send(connection.id, lent.kind, lent.data, lent.size, &result);
        return result.count();
    }

    pub fn sendText(connection: Connection, text: []const u8) Error!void {
        _ = try connection.send(.{ .text = text });
    }

    pub fn sendBinary(connection: Connection, data: []const u8) Error!void {
        _ = try connection.send(.{ .binary = data });
    }

    /// Wait until at most so many bytes wait for the peer.
    pub fn drained(connection: Connection, low_water: u32) Error!void {
        var result: Result = undefined;
        host.drained(connection.id, low_water, &result);
        return result.nothing();
    }

    /// At most 125 bytes.
    pub fn ping(connection: Connection, data: []const u8) Error!void {
        var result: Result = undefined;
        host.ping(connection.id, data.ptr, data.len, &result);
        return result.nothing();
    }

    /// Start the closing handshake. A reason has at most 123 bytes, and needs a code.
    pub fn close(connection: Connection, code: ?u16, reason: []const u8) Error!void {
        var result: Result = undefined;
        host.close(connection.id, @intFromBool(code != null), code orelse 0, reason.ptr, reason.len, &result);
        return result.nothing();
    }

    pub fn setNodelay(connection: Connection, on: bool) Error!void {
        var result: Result = undefined;
        host.@"set-nodelay"(connection.id, @intFromBool(on), &result);
        return result.nothing();
    }

    /// Deliver what is published under a topic, 1 to 256 bytes, to this connection's peer.
    pub fn subscribe(connection: Connection, topic: []const u8) Error!void {
        var result: Result = undefined;
        host.subscribe(connection.id, topic.ptr, topic.len, &result);
        return result.nothing();
    }

    pub fn unsubscribe(connection: Connection, topic: []const u8) Error!void {
        var result: Result = undefined;
        host.unsubscribe(connection.id, topic.ptr, topic.len, &result);
        return result.nothing();
    }

    /// Keep at most 16 KiB with the connection, in the host.
    pub fn attach(connection: Connection, data: []const u8) Error!void {
        var result: Result = undefined;
        host.attach(connection.id, data.ptr, data.len, &result);
        return result.nothing();
    }

    /// What is kept with it; lies in the arena.
    pub fn attachment(connection: Connection) Error![]const u8 {
        var result: Result = undefined;
        host.attachment(connection.id, &result);
        try result.nothing();
        return slice(result.value.list, result.a);
    }

    /// What the host knows of it; lies in the arena.
    pub fn inspect(connection: Connection) Error!Info {
        var result: extern struct { failed: u8, info: extern union { ok: RawInfo, failure: Failure } } = undefined;
        host.inspect(connection.id, &result);
        if (result.failed != 0) return result.info.failure.raise();
        const info = result.info.ok;
        return .{
            .subprotocol = info.subprotocol.get(),
            .open = info.open != 0,
            .buffered = info.buffered,
            .messages_in = info.messages_in,
            .messages_out = info.messages_out,
            .round_trip_us = if (info.has_round_trip != 0) info.round_trip_us else null,
        };
    }
};

/// What the host knows of a connection.
pub const Info = struct {
    subprotocol: ?[]const u8,
    open: bool,
    buffered: u32,
    messages_in: u64,
    messages_out: u64,
    round_trip_us: ?u32,
};

/// Send to every subscriber of a topic but those named; yields how many queues took it.
pub fn publish(topic: []const u8, message: Message, except: []const Connection) Error!u32 {
    var result: Result = undefined;
    const lent: Lent = .of(message);
    host.publish(topic.ptr, topic.len, lent.kind, lent.data, lent.size, except.ptr, except.len, &result);
    return result.count();
}

/// Queue the same message for many connections of this instance; yields how many took it.
pub fn sendMany(to: []const Connection, message: Message) u32 {
    const lent: Lent = .of(message);
    return host.@"send-many"(to.ptr, to.len, lent.kind, lent.data, lent.size);
}

/// The connections of this instance; the list lies in the arena.
pub fn connections() []const Connection {
    var list: RawConnections = undefined;
    host.connections(&list);
    return if (list.size == 0) &.{} else list.data.?[0..list.size];
}

/// `return whimbrel.fail("why");` closes the connection with 1011 and logs the text. Any other error does so with its name.
pub fn fail(text: []const u8) error{Failed} {
    failure_text = allocator.dupe(u8, text) catch "failed, and there is no memory to say why";
    return error.Failed;
}

/// A line of the host's log, at level info; `warn` at level warn.
pub fn print(comptime format: []const u8, args: anytype) void {
    write(1, std.fmt.allocPrint(arena, format ++ "\n", args) catch return);
}

pub fn warn(comptime format: []const u8, args: anytype) void {
    write(2, std.fmt.allocPrint(arena, format ++ "\n", args) catch return);
}

/// `pub const panic = whimbrel.panic;` in the handler's file: a panic's message is logged, and the instance ends.
pub const panic = std.debug.FullPanic(panicked);

fn panicked(message: []const u8, _: ?usize) noreturn {
    write(2, message);
    write(2, "\n");
    @trap();
}

fn write(file: i32, text: []const u8) void {
    const pieces = [_]std.os.wasi.ciovec_t{.{ .base = text.ptr, .len = text.len }};
    var written: usize = 0;
    _ = std.os.wasi.fd_write(file, &pieces, 1, &written);
}

// ---- The handler ----

/// Makes a struct the handler. Of these it has `onMessage`, and those that it needs:
///
///     pub fn open(connection: Connection, request: Request) !Self      without it a value is `.{}`
///     pub fn onMessage(self: *Self, connection: Connection, message: Message) !void
///     pub fn onClose(self: *Self, connection: Connection, info: CloseInfo) void
///     pub fn onPing(self: *Self, connection: Connection, data: []const u8) void
///     pub fn onPong(self: *Self, connection: Connection, data: []const u8) void
///     pub fn upgrade(request: Request, origin_allowed: bool, answer: *Answer) void
pub fn handle(comptime Handler: type) void {
    const Exports = struct {
        var handlers: std.AutoHashMapUnmanaged(u32, *Handler) = .empty;

        fn open(raw: *const extern struct { connection: u32, request: RawRequest }) callconv(.c) *const Outcome {
            return outcome(tryOpen(.{ .id = raw.connection }, raw.request));
        }

        fn tryOpen(connection: Connection, request: RawRequest) !void {
            const handler = try allocator.create(Handler);
            errdefer allocator.destroy(handler);
            handler.* = if (@hasDecl(Handler, "open")) try Handler.open(connection, try request.get()) else .{};
            try handlers.put(allocator, connection.id, handler);
        }

        fn onMessage(id: u32, kind: u32, data: ?[*]const u8, size: usize) callconv(.c) *const Outcome {
            const bytes = slice(data, size);
            const message: Message = if (kind == 0) .{ .text = bytes } else .{ .binary = bytes };
            return outcome(handlers.get(id).?.onMessage(.{ .id = id }, message));
        }

        fn onClose(
            id: u32,
            has_code: u32,
            code: u32,
            has_reason: u32,
            reason: ?[*]const u8,
            reason_size: usize,
            cause: u32,
        ) callconv(.c) void {
            const handler = handlers.fetchRemove(id).?.value;
            if (@hasDecl(Handler, "onClose")) handler.onClose(.{ .id = id }, .{
                .code = if (has_code != 0) @intCast(code) else null,
                .reason = if (has_reason != 0) slice(reason, reason_size) else null,
                .cause = @enumFromInt(cause),
            });
            allocator.destroy(handler);
            end();
        }

        fn onPing(id: u32, data: ?[*]const u8, size: usize) callconv(.c) void {
            if (@hasDecl(Handler, "onPing")) handlers.get(id).?.onPing(.{ .id = id }, slice(data, size));
            end();
        }

        fn onPong(id: u32, data: ?[*]const u8, size: usize) callconv(.c) void {
            if (@hasDecl(Handler, "onPong")) handlers.get(id).?.onPong(.{ .id = id }, slice(data, size));
            end();
        }

        fn upgrade(raw: *const extern struct { request: RawRequest, allowed: u8 }) callconv(.c) *const RawAnswer {
            const allowed = raw.allowed != 0;
            var answer: Answer = .{ .refuse = if (allowed) null else 403 };
            if (!allowed) answer.body = "this origin may not connect\n";
            const request = raw.request.get() catch @panic("out of memory");
            if (@hasDecl(Handler, "upgrade")) Handler.upgrade(request, allowed, &answer);
            return RawAnswer.of(answer) catch @panic("out of memory");
        }
    };
    @export(&Exports.open, .{ .name = exported ++ "open" });
    @export(&Exports.onMessage, .{ .name = exported ++ "on-message" });
    @export(&Exports.onClose, .{ .name = exported ++ "on-close" });
    @export(&Exports.onPing, .{ .name = exported ++ "on-ping" });
    @export(&Exports.onPong, .{ .name = exported ++ "on-pong" });
    @export(&ended, .{ .name = "cabi_post_" ++ exported ++ "open" });
    @export(&ended, .{ .name = "cabi_post_" ++ exported ++ "on-message" });
    if (@hasDecl(Handler, "upgrade")) {
        @export(&Exports.upgrade, .{ .name = upgrade_name });
        @export(&ended, .{ .name = "cabi_post_" ++ upgrade_name });
    }
    @export(&reallocate, .{ .name = "cabi_realloc" });
}

const exported = "whimbrel:websocket/handler@0.1.0#";
const upgrade_name = "whimbrel:websocket/upgrade@0.1.0#upgrade";

var last_detail: []const u8 = "";
var failure_text: []const u8 = "";

/// The end of an event: the host has read what it was given.
fn end() void {
    last_detail = "";
    if (failure_text.len > 0) allocator.free(failure_text);
    failure_text = "";
    // What a large message took is given to the next one, within reason.
    _ = event_arena.reset(.{ .retain_with_limit = 256 * 1024 });
}

fn ended(_: *const anyopaque) callconv(.c) void {
    end();
}

fn outcome(result: anyerror!void) *const Outcome {
    const space = arena.create(Outcome) catch @panic("out of memory");
    space.* = .{ .failed = 0, .text = "", .size = 0 };
    result catch |failure| {
        const text = if (failure == error.Failed) failure_text else @errorName(failure);
        space.* = .{ .failed = 1, .text = text.ptr, .size = text.len };
    };
    return space;
}

/// Where the host puts what it passes. No message here: while it passes something, nothing can be printed.
fn reallocate(old: ?[*]u8, old_size: usize, alignment: usize, size: usize) callconv(.c) [*]u8 {
    if (size == 0) return @ptrFromInt(alignment);
    const space = arena.rawAlloc(size, .fromByteUnits(alignment), 0) orelse @trap();
    if (old) |from| @memcpy(space[0..@min(old_size, size)], from[0..@min(old_size, size)]);
    return space;
}

// ---- How arguments and results lie in memory ----

fn slice(data: ?[*]const u8, size: usize) []const u8 {
    return if (size == 0) "" else data.?[0..size];
}

const RawText = extern struct {
    data: ?[*]const u8,
    size: usize,

    fn of(text: []const u8) RawText {
        return .{ .data = text.ptr, .size = text.len };
    }

    fn get(text: RawText) []const u8 {
        return slice(text.data, text.size);
    }
};

const RawOptionText = extern struct {
    is_some: u8,
    text: RawText,

    fn of(text: ?[]const u8) RawOptionText {
        return .{ .is_some = @intFromBool(text != null), .text = .of(text orelse "") };
    }

    fn get(option: RawOptionText) ?[]const u8 {
        return if (option.is_some != 0) option.text.get() else null;
    }
};

const RawOptionNumber = extern struct {
    is_some: u8,
    number: u32,

    fn of(number: ?u32) RawOptionNumber {
        return .{ .is_some = @intFromBool(number != null), .number = number orelse 0 };
    }
};

const RawHeader = extern struct { name: RawText, value: RawText };

const RawRequest = extern struct {
    path: RawText,
    query: RawOptionText,
    args: [*]const extern struct { name: RawOptionText, value: RawOptionText },
    arg_count: usize,
    headers: [*]const RawHeader,
    header_count: usize,
    host: RawText,
    origin: RawOptionText,
    subprotocols: [*]const RawText,
    subprotocol_count: usize,
    peer: RawText,
    secure: u8,

    fn get(raw: RawRequest) error{OutOfMemory}!Request {
        const args = try arena.alloc(Arg, raw.arg_count);
        for (args, 0..) |*it, i| it.* = .{ .name = raw.args[i].name.get(), .value = raw.args[i].value.get() };
        const headers = try arena.alloc(Header, raw.header_count);
        for (headers, 0..) |*it, i| it.* = .{ .name = raw.headers[i].name.get(), .value = raw.headers[i].value.get() };
        const subprotocols = try arena.alloc([]const u8, raw.subprotocol_count);
        for (subprotocols, 0..) |*it, i| it.* = raw.subprotocols[i].get();
        return .{
            .path = raw.path.get(),
            .query = raw.query.get(),
            .args = args,
            .headers = headers,
            .host = raw.host.get(),
            .origin = raw.origin.get(),
            .subprotocols = subprotocols,
            .peer = raw.peer.get(),
            .secure = raw.secure != 0,
        };
    }
};

const RawAnswer = extern struct {
    refused: u8,
    answer: extern union {
        acceptance: extern struct {
            subprotocol: RawOptionText,
            headers: [*]const RawHeader,
            header_count: usize,
            max_message_size: RawOptionNumber,
            ping_interval_ms: RawOptionNumber,
            ping_timeout_ms: RawOptionNumber,
            has_compression: u8,
            compression: extern struct { level: u8, threshold: u32, context_takeover: u8 },
        },
        refusal: extern struct { status: u16, headers: [*]const RawHeader, header_count: usize, body: RawText },
    },

    fn of(answer: Answer) error{OutOfMemory}!*const RawAnswer {
        const headers = try arena.alloc(RawHeader, answer.headers.len);
        for (headers, answer.headers) |*to, from| to.* = .{ .name = .of(from.name), .value = .of(from.value) };
        const raw = try arena.create(RawAnswer);
        raw.* = if (answer.refuse) |status| .{ .refused = 1, .answer = .{ .refusal = .{
            .status = status,
            .headers = headers.ptr,
            .header_count = headers.len,
            .body = .of(answer.body),
        } } } else .{ .refused = 0, .answer = .{ .acceptance = .{
            .subprotocol = .of(answer.subprotocol),
            .headers = headers.ptr,
            .header_count = headers.len,
            .max_message_size = .of(answer.max_message_size),
            .ping_interval_ms = .of(answer.ping_interval_ms),
            .ping_timeout_ms = .of(answer.ping_timeout_ms),
            .has_compression = 0,
            .compression = .{ .level = 0, .threshold = 0, .context_takeover = 0 },
        } } };
        return raw;
    }
};

const RawInfo = extern struct {
    subprotocol: RawOptionText,
    open: u8,
    buffered: u32,
    messages_in: u64,
    messages_out: u64,
    has_round_trip: u8,
    round_trip_us: u32,
};

const RawConnections = extern struct { data: ?[*]const Connection, size: usize };

/// What `open` and `on-message` yield.
const Outcome = extern struct { failed: u8, text: [*]const u8, size: usize };

/// A message on its way to the host.
const Lent = struct {
    kind: u32,
    data: [*]const u8,
    size: usize,

    fn of(message: Message) Lent {
        const data = message.data();
        return .{ .kind = if (message == .text) 0 else 1, .data = data.ptr, .size = data.len };
    }
};

/// The contract's error.
const Failure = extern struct {
    tag: u8,
    text: RawText,

    fn raise(failure: Failure) Error {
        if (failure.tag >= 4) last_detail = failure.text.get();
        return switch (failure.tag) {
            0 => error.Closed,
            1 => error.UnknownConnection,
            2 => error.TooLarge,
            3 => error.BufferFull,
            4 => error.Invalid,
            else => error.Denied,
        };
    }
};

/// What a call to the host yields: a number, a list, or a failure; they lie in the same place.
const Result = extern struct {
    failed: u8,
    value: extern union { number: u32, list: ?[*]const u8, tag: u8 },
    a: usize,
    b: usize,

    fn nothing(result: Result) Error!void {
        if (result.failed == 0) return;
        const text: RawText = .{ .data = @ptrFromInt(result.a), .size = result.b };
        return (Failure{ .tag = result.value.tag, .text = text }).raise();
    }

    fn count(result: Result) Error!u32 {
        try result.nothing();
        return result.value.number;
    }
};

const host = struct {
    const Bytes = [*]const u8;
    const Connections = [*]const Connection;

    extern "whimbrel:websocket/connection@0.1.0" fn send(u32, u32, Bytes, usize, *Result) void;
    extern "whimbrel:websocket/connection@0.1.0" fn @"send-many"(Connections, usize, u32, Bytes, usize) u32;
    extern "whimbrel:websocket/connection@0.1.0" fn drained(u32, u32, *Result) void;
    extern "whimbrel:websocket/connection@0.1.0" fn ping(u32, Bytes, usize, *Result) void;
    extern "whimbrel:websocket/connection@0.1.0" fn close(u32, u32, u32, Bytes, usize, *Result) void;
    extern "whimbrel:websocket/connection@0.1.0" fn @"set-nodelay"(u32, u32, *Result) void;
    extern "whimbrel:websocket/connection@0.1.0" fn inspect(u32, *anyopaque) void;
    extern "whimbrel:websocket/connection@0.1.0" fn connections(*RawConnections) void;
    extern "whimbrel:websocket/connection@0.1.0" fn attach(u32, Bytes, usize, *Result) void;
    extern "whimbrel:websocket/connection@0.1.0" fn attachment(u32, *Result) void;
    extern "whimbrel:websocket/topics@0.1.0" fn subscribe(u32, Bytes, usize, *Result) void;
    extern "whimbrel:websocket/topics@0.1.0" fn unsubscribe(u32, Bytes, usize, *Result) void;
    extern "whimbrel:websocket/topics@0.1.0" fn publish(Bytes, usize, u32, Bytes, usize, Connections, usize, *Result) void;
};
