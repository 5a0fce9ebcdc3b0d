// WebSocket handlers for Whimbrel in C. A handler defines ws_on_message, and of the other functions under "Events" those
// that it needs. What they are given lives until they return, and is freed for them; keep what must live longer with
// ws_copy. whimbrel.c implements this over the generated bindings in websocket_handler_with_upgrade.h.

#ifndef WHIMBREL_H
#define WHIMBREL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- What handlers are given ----

// Names a connection. It may be stored and compared; it is not used again.
typedef uint32_t ws_connection;

// Text in UTF-8, or bytes. Not terminated by a NUL. `data` is NULL where there is none (no query, no origin).
typedef struct ws_text {
  const char *data;
  size_t size;
} ws_text;

// One complete message.
typedef struct ws_message {
  // Text if true, else binary.
  bool is_text;
  const char *data;
  size_t size;
} ws_message;

// A capture of the route's pattern. `name` is NULL for an unnamed group, `value` for one that took no part.
typedef struct ws_arg {
  ws_text name;
  ws_text value;
} ws_arg;

// A header field; the name in lower case.
typedef struct ws_header {
  ws_text name;
  ws_text value;
} ws_header;

// The request of the opening handshake.
typedef struct ws_request {
  ws_text path;
  ws_text query;
  const ws_arg *args;
  size_t arg_count;
  const ws_header *headers;
  size_t header_count;
  ws_text host;
  ws_text origin;
  const ws_text *subprotocols;
  size_t subprotocol_count;
  ws_text peer;
  bool secure;
} ws_request;

// Who or what ended a connection.
typedef enum ws_cause {
  WS_CAUSE_PEER,
  WS_CAUSE_GUEST,
  WS_CAUSE_NETWORK,
  WS_CAUSE_PING_TIMEOUT,
  WS_CAUSE_PROTOCOL_ERROR,
  WS_CAUSE_INVALID_TEXT,
  WS_CAUSE_MESSAGE_TOO_BIG,
  WS_CAUSE_RATE_LIMITED,
  WS_CAUSE_SLOW_CONSUMER,
  WS_CAUSE_GUEST_ERROR,
  WS_CAUSE_DRAINED,
} ws_cause;

// How a connection ended.
typedef struct ws_close_info {
  // The code in the peer's close frame; 0 for none.
  uint16_t code;
  // The reason in it; NULL for none.
  ws_text reason;
  ws_cause cause;
} ws_close_info;

// ---- Events: defined by the handler ----

// The connection is open; nothing else comes before this returns. `return ws_fail("why");` closes it with 1011 and logs
// the text.
bool ws_on_open(ws_connection connection, const ws_request *request);

// A message came. `return ws_fail("why");` closes the connection with 1011 and logs the text.
bool ws_on_message(ws_connection connection, ws_message message);

// The connection has ended: once, after its last message.
void ws_on_close(ws_connection connection, ws_close_info info);

// A ping came; it has been answered already.
void ws_on_ping(ws_connection connection, ws_text data);

// A pong came: the answer to a keep-alive ping (empty), to ws_ping, or unasked.
void ws_on_pong(ws_connection connection, ws_text data);

// The answer to a handshake. It comes filled in: accepted, or refused with 403 where the manifest's origin rule says so
// (`origin_allowed` is false). Change what is to be different.
typedef struct ws_answer {
  // 0: accept. 300 to 599: refuse with this status.
  uint16_t refuse;
  // One of the request's, or NULL for none.
  ws_text subprotocol;
  // Added to the response.
  ws_header headers[16];
  size_t header_count;
  // The body of a refusal.
  ws_text body;
  // For this connection; 0: as the manifest says. In bytes, and in milliseconds or WS_OFF.
  uint32_t max_message_size;
  uint32_t ping_interval_ms;
  uint32_t ping_timeout_ms;
} ws_answer;

#define WS_OFF UINT32_MAX

void ws_on_upgrade(const ws_request *request, bool origin_allowed, ws_answer *answer);

// ---- What handlers may call ----

// Why a call was refused. Nothing was queued or changed.
typedef enum ws_error {
  WS_OK,
  // The connection is closing or closed.
  WS_CLOSED,
  // No such connection belongs to this instance.
  WS_UNKNOWN_CONNECTION,
  // Over a limit.
  WS_TOO_LARGE,
  // The peer reads too slowly: wait with ws_drained, or give it up.
  WS_BUFFER_FULL,
  // A bad argument.
  WS_INVALID,
  // A limit of the deployment.
  WS_DENIED,
} ws_error;

// `closed`, `buffer-full`, ... and for WS_INVALID and WS_DENIED what the host said of the last one.
const char *ws_error_name(ws_error error);
const char *ws_error_detail(void);

// Queue a message; returns at once.
ws_error ws_send(ws_connection connection, ws_message message);
ws_error ws_send_text(ws_connection connection, const char *text);
ws_error ws_send_bytes(ws_connection connection, const void *data, size_t size);
// The same for many connections of this instance; returns how many took it.
uint32_t ws_send_many(const ws_connection *connections, size_t count, ws_message message);
// Wait until at most so many bytes wait for the peer.
ws_error ws_drained(ws_connection connection, uint32_t low_water);
// At most 125 bytes.
ws_error ws_ping(ws_connection connection, const void *data, size_t size);
// Start the closing handshake; code 0 for none. A reason has at most 123 bytes.
ws_error ws_close(ws_connection connection, uint16_t code, const char *reason);
ws_error ws_set_nodelay(ws_connection connection, bool on);

// Reach connections of other instances: topics have at most 256 bytes.
ws_error ws_subscribe(ws_connection connection, ws_text topic);
ws_error ws_unsubscribe(ws_connection connection, ws_text topic);
// To every subscriber but `except` (0 for nobody), or but several. `taken` gets how many queues took it, and may be NULL.
ws_error ws_publish(ws_text topic, ws_message message, ws_connection except, uint32_t *taken);
ws_error ws_publish_except(ws_text topic, ws_message message, const ws_connection *except, size_t count, uint32_t *taken);

// Keep at most 16 KiB with the connection, in the host.
ws_error ws_attach(ws_connection connection, const void *data, size_t size);
// What is kept: the caller frees `data`.
ws_error ws_attachment(ws_connection connection, ws_text *attachment);

// The chosen subprotocol, or NULL; the caller frees `data`.
ws_text ws_subprotocol(ws_connection connection);
// What the host knows of a connection; still allowed in ws_on_close.
typedef struct ws_info {
  // True until a close frame was sent or received, or the transport ended.
  bool open;
  // Bytes that wait for the peer.
  uint32_t buffered;
  uint64_t messages_in;
  uint64_t messages_out;
  // From the last answered keep-alive ping, in microseconds; -1 before the first.
  int64_t round_trip_us;
} ws_info;

ws_error ws_inspect(ws_connection connection, ws_info *info);
// The connections of this instance; the caller frees the array.
ws_connection *ws_connections(size_t *count);

// ---- Small things ----

// `return ws_fail("why");` in ws_on_open and ws_on_message: false, and the text is kept for the log.
bool ws_fail(const char *text);

// A text of a string; a message of a string or of bytes.
ws_text ws_str(const char *text);
ws_message ws_text_message(const char *text);
ws_message ws_bytes_message(const void *data, size_t size);

bool ws_is(ws_text text, const char *expected);
bool ws_starts_with(ws_text text, const char *prefix);
// A string of its own, ended by a NUL; the caller frees it.
char *ws_copy(ws_text text);

// The value of the route's capture of this name, or of the header field (name in lower case); NULL when there is none.
ws_text ws_request_arg(const ws_request *request, const char *name);
ws_text ws_request_header(const ws_request *request, const char *name);

#ifdef __cplusplus
}
#endif
#endif
