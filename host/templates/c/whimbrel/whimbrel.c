// Implements whimbrel.h over the generated bindings: what the host passes is shown to the handler as it lies, and freed.

#include "whimbrel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "websocket_handler_with_upgrade.h"

typedef websocket_handler_with_upgrade_string_t string;
typedef websocket_handler_with_upgrade_list_u8_t bytes;
typedef websocket_handler_with_upgrade_option_string_t option_string;
typedef whimbrel_websocket_types_request_t request;
typedef whimbrel_websocket_types_message_t message;
typedef whimbrel_websocket_types_close_info_t close_info;
typedef whimbrel_websocket_types_error_t error;

// ---- From the host ----

static const char *failure;
static char *failure_copy;
static char detail[256];

static ws_text shown(string text) { return (ws_text){text.len ? (const char *)text.ptr : "", text.len}; }
static ws_text shown_bytes(bytes data) { return (ws_text){data.len ? (const char *)data.ptr : "", data.len}; }
static ws_text shown_option(option_string text) { return text.is_some ? shown(text.val) : (ws_text){NULL, 0}; }

static void *allocated(size_t size) {
  void *memory = malloc(size ? size : 1);
  if (!memory) abort();
  return memory;
}

static string owned(ws_text text) {
  string copy = {allocated(text.size), text.size};
  if (text.size) memcpy(copy.ptr, text.data, text.size);
  return copy;
}

// Arrays of another shape than the bindings'; the texts in them stay where they are.
static ws_request show_request(const request *from) {
  ws_arg *args = allocated(from->args.len * sizeof(ws_arg));
  for (size_t i = 0; i < from->args.len; i++)
    args[i] = (ws_arg){shown_option(from->args.ptr[i].name), shown_option(from->args.ptr[i].value)};
  ws_header *headers = allocated(from->headers.len * sizeof(ws_header));
  for (size_t i = 0; i < from->headers.len; i++)
    headers[i] = (ws_header){shown(from->headers.ptr[i].f0), shown_bytes(from->headers.ptr[i].f1)};
  ws_text *subprotocols = allocated(from->subprotocols.len * sizeof(ws_text));
  for (size_t i = 0; i < from->subprotocols.len; i++) subprotocols[i] = shown(from->subprotocols.ptr[i]);
  return (ws_request){
      .path = shown(from->path),
      .query = shown_option(from->query),
      .args = args,
      .arg_count = from->args.len,
      .headers = headers,
      .header_count = from->headers.len,
      .host = shown(from->host),
      .origin = shown_option(from->origin),
      .subprotocols = subprotocols,
      .subprotocol_count = from->subprotocols.len,
      .peer = shown(from->peer),
      .secure = from->secure,
  };
}

static void free_request(ws_request *shown, request *from) {
  free((void *)shown->args);
  free((void *)shown->headers);
  free((void *)shown->subprotocols);
  whimbrel_websocket_types_request_free(from);
}

// The end of every event: what was printed becomes lines of the log.
static bool end(bool ok, string *text) {
  fflush(NULL);
  if (!ok) *text = owned(ws_str(failure ? failure : "failed without a text"));
  failure = NULL;
  return ok;
}

bool exports_whimbrel_websocket_handler_open(uint32_t connection, request *from, string *text) {
  ws_request request = show_request(from);
  bool ok = ws_on_open(connection, &request);
  free_request(&request, from);
  return end(ok, text);
}

bool exports_whimbrel_websocket_handler_on_message(uint32_t connection, message *from, string *text) {
  bool is_text = from->tag == WHIMBREL_WEBSOCKET_TYPES_MESSAGE_TEXT;
  ws_text data = is_text ? shown(from->val.text) : shown_bytes(from->val.binary);
  bool ok = ws_on_message(connection, (ws_message){is_text, data.data, data.size});
  whimbrel_websocket_types_message_free(from);
  return end(ok, text);
}

void exports_whimbrel_websocket_handler_on_close(uint32_t connection, close_info *from) {
  ws_close_info info = {from->code.is_some ? from->code.val : 0, shown_option(from->reason), (ws_cause)from->cause};
  ws_on_close(connection, info);
  whimbrel_websocket_types_close_info_free(from);
  end(true, NULL);
}

void exports_whimbrel_websocket_handler_on_ping(uint32_t connection, bytes *data) {
  ws_on_ping(connection, shown_bytes(*data));
  websocket_handler_with_upgrade_list_u8_free(data);
  end(true, NULL);
}

void exports_whimbrel_websocket_handler_on_pong(uint32_t connection, bytes *data) {
  ws_on_pong(connection, shown_bytes(*data));
  websocket_handler_with_upgrade_list_u8_free(data);
  end(true, NULL);
}

typedef websocket_handler_with_upgrade_list_tuple2_string_list_u8_t header_list;

static header_list owned_headers(const ws_answer *answer) {
  header_list headers = {allocated(answer->header_count * sizeof(*headers.ptr)), answer->header_count};
  for (size_t i = 0; i < answer->header_count; i++) {
    string value = owned(answer->headers[i].value);
    headers.ptr[i].f0 = owned(answer->headers[i].name);
    headers.ptr[i].f1 = (bytes){value.ptr, value.len};
  }
  return headers;
}

static websocket_handler_with_upgrade_option_u32_t option(uint32_t number) {
  return (websocket_handler_with_upgrade_option_u32_t){number != 0, number == WS_OFF ? 0 : number};
}

bool exports_whimbrel_websocket_upgrade_upgrade(request *from, bool origin_allowed,
                                                exports_whimbrel_websocket_upgrade_acceptance_t *acceptance,
                                                exports_whimbrel_websocket_upgrade_refusal_t *refusal) {
  ws_request request = show_request(from);
  ws_answer answer = {.refuse = origin_allowed ? 0 : 403};
  if (!origin_allowed) answer.body = ws_str("this origin may not connect\n");
  ws_on_upgrade(&request, origin_allowed, &answer);
  if (answer.refuse) {
    string body = owned(answer.body);
    refusal->status = answer.refuse;
    refusal->headers = owned_headers(&answer);
    refusal->body = (bytes){body.ptr, body.len};
  } else {
    memset(acceptance, 0, sizeof *acceptance);
    acceptance->subprotocol.is_some = answer.subprotocol.data != NULL;
    if (acceptance->subprotocol.is_some) acceptance->subprotocol.val = owned(answer.subprotocol);
    acceptance->headers = owned_headers(&answer);
    acceptance->max_message_size = option(answer.max_message_size);
    acceptance->ping_interval_ms = option(answer.ping_interval_ms);
    acceptance->ping_timeout_ms = option(answer.ping_timeout_ms);
  }
  free_request(&request, from);
  end(true, NULL);
  return answer.refuse == 0;
}

// What a handler does not define.
#define OPTIONAL __attribute__((weak))

OPTIONAL bool ws_on_open(ws_connection connection, const ws_request *request) { return true; }
OPTIONAL void ws_on_close(ws_connection connection, ws_close_info info) {}
OPTIONAL void ws_on_ping(ws_connection connection, ws_text data) {}
OPTIONAL void ws_on_pong(ws_connection connection, ws_text data) {}
OPTIONAL void ws_on_upgrade(const ws_request *request, bool origin_allowed, ws_answer *answer) {}

// ---- To the host ----

static string lent(ws_text text) { return (string){(uint8_t *)text.data, text.size}; }
static bytes lent_bytes(const void *data, size_t size) { return (bytes){(uint8_t *)data, size}; }

static message lent_message(ws_message from) {
  message to;
  to.tag = from.is_text ? WHIMBREL_WEBSOCKET_TYPES_MESSAGE_TEXT : WHIMBREL_WEBSOCKET_TYPES_MESSAGE_BINARY;
  to.val.binary = lent_bytes(from.data, from.size);
  return to;
}

// The bindings' variants stand in the order of ws_error.
static ws_error outcome(bool ok, error *refusal) {
  if (ok) return WS_OK;
  ws_error kind = (ws_error)(refusal->tag + 1);
  if (kind == WS_INVALID || kind == WS_DENIED) {
    string text = refusal->val.invalid;
    size_t size = text.len < sizeof detail ? text.len : sizeof detail - 1;
    memcpy(detail, text.ptr, size);
    detail[size] = 0;
  }
  whimbrel_websocket_types_error_free(refusal);
  return kind;
}

ws_error ws_send(ws_connection connection, ws_message from) {
  message message = lent_message(from);
  uint32_t waiting;
  error refusal;
  return outcome(whimbrel_websocket_connection_send(connection, &message, &waiting, &refusal), &refusal);
}

ws_error ws_send_text(ws_connection connection, const char *text) { return ws_send(connection, ws_text_message(text)); }

ws_error ws_send_bytes(ws_connection connection, const void *data, size_t size) {
  return ws_send(connection, ws_bytes_message(data, size));
}

uint32_t ws_send_many(const ws_connection *connections, size_t count, ws_message from) {
  whimbrel_websocket_connection_list_connection_id_t list = {(uint32_t *)connections, count};
  message message = lent_message(from);
  return whimbrel_websocket_connection_send_many(&list, &message);
}

ws_error ws_drained(ws_connection connection, uint32_t low_water) {
  error refusal;
  return outcome(whimbrel_websocket_connection_drained(connection, low_water, &refusal), &refusal);
}

ws_error ws_ping(ws_connection connection, const void *data, size_t size) {
  bytes lent = lent_bytes(data, size);
  error refusal;
  return outcome(whimbrel_websocket_connection_ping(connection, &lent, &refusal), &refusal);
}

ws_error ws_close(ws_connection connection, uint16_t code, const char *reason) {
  string text = lent(ws_str(reason ? reason : ""));
  error refusal;
  return outcome(whimbrel_websocket_connection_close(connection, code ? &code : NULL, &text, &refusal), &refusal);
}

ws_error ws_set_nodelay(ws_connection connection, bool on) {
  error refusal;
  return outcome(whimbrel_websocket_connection_set_nodelay(connection, on, &refusal), &refusal);
}

ws_error ws_subscribe(ws_connection connection, ws_text topic) {
  string name = lent(topic);
  error refusal;
  return outcome(whimbrel_websocket_topics_subscribe(connection, &name, &refusal), &refusal);
}

ws_error ws_unsubscribe(ws_connection connection, ws_text topic) {
  string name = lent(topic);
  error refusal;
  return outcome(whimbrel_websocket_topics_unsubscribe(connection, &name, &refusal), &refusal);
}

ws_error ws_publish(ws_text topic, ws_message from, ws_connection except, uint32_t *taken) {
  return ws_publish_except(topic, from, &except, except ? 1 : 0, taken);
}

ws_error ws_publish_except(ws_text topic, ws_message from, const ws_connection *except, size_t number, uint32_t *taken) {
  string name = lent(topic);
  message message = lent_message(from);
  whimbrel_websocket_topics_list_connection_id_t not_these = {(uint32_t *)except, number};
  uint32_t count = 0;
  error refusal;
  bool ok = whimbrel_websocket_topics_publish(&name, &message, &not_these, &count, &refusal);
  if (taken) *taken = ok ? count : 0;
  return outcome(ok, &refusal);
}

ws_error ws_attach(ws_connection connection, const void *data, size_t size) {
  bytes lent = lent_bytes(data, size);
  error refusal;
  return outcome(whimbrel_websocket_connection_attach(connection, &lent, &refusal), &refusal);
}

ws_error ws_attachment(ws_connection connection, ws_text *attachment) {
  bytes data = {NULL, 0};
  error refusal;
  bool ok = whimbrel_websocket_connection_attachment(connection, &data, &refusal);
  *attachment = ok && data.len ? (ws_text){(const char *)data.ptr, data.len} : (ws_text){NULL, 0};
  return outcome(ok, &refusal);
}

static ws_error inspected(ws_connection connection, whimbrel_websocket_connection_info_t *info) {
  error refusal;
  return outcome(whimbrel_websocket_connection_inspect(connection, info, &refusal), &refusal);
}

ws_text ws_subprotocol(ws_connection connection) {
  whimbrel_websocket_connection_info_t info;
  return inspected(connection, &info) == WS_OK ? shown_option(info.subprotocol) : (ws_text){NULL, 0};
}

ws_error ws_inspect(ws_connection connection, ws_info *info) {
  whimbrel_websocket_connection_info_t from;
  ws_error error = inspected(connection, &from);
  if (error != WS_OK) return error;
  int64_t round_trip_us = from.round_trip_us.is_some ? from.round_trip_us.val : -1;
  *info = (ws_info){from.open, from.buffered, from.messages_in, from.messages_out, round_trip_us};
  whimbrel_websocket_connection_info_free(&from);
  return WS_OK;
}

ws_connection *ws_connections(size_t *count) {
  whimbrel_websocket_connection_list_connection_id_t list;
  whimbrel_websocket_connection_connections(&list);
  *count = list.len;
  return list.ptr;
}

// ---- Small things ----

const char *ws_error_name(ws_error error) {
  static const char *const names[] = {"ok",          "closed",  "unknown-connection", "too-large",
                                      "buffer-full", "invalid", "denied"};
  return names[error];
}

const char *ws_error_detail(void) { return detail; }

bool ws_fail(const char *text) {
  // The text may lie on the stack of the function that fails.
  free(failure_copy);
  failure_copy = ws_copy(ws_str(text));
  failure = failure_copy;
  return false;
}

ws_text ws_str(const char *text) { return (ws_text){text, strlen(text)}; }
ws_message ws_text_message(const char *text) { return (ws_message){true, text, strlen(text)}; }
ws_message ws_bytes_message(const void *data, size_t size) { return (ws_message){false, data, size}; }

bool ws_is(ws_text text, const char *expected) {
  return text.data && text.size == strlen(expected) && memcmp(text.data, expected, text.size) == 0;
}

bool ws_starts_with(ws_text text, const char *prefix) {
  size_t size = strlen(prefix);
  return text.data && text.size >= size && memcmp(text.data, prefix, size) == 0;
}

char *ws_copy(ws_text text) {
  char *copy = allocated(text.size + 1);
  if (text.size) memcpy(copy, text.data, text.size);
  copy[text.size] = 0;
  return copy;
}

ws_text ws_request_arg(const ws_request *request, const char *name) {
  for (size_t i = 0; i < request->arg_count; i++)
    if (ws_is(request->args[i].name, name)) return request->args[i].value;
  return (ws_text){NULL, 0};
}

ws_text ws_request_header(const ws_request *request, const char *name) {
  for (size_t i = 0; i < request->header_count; i++)
    if (ws_is(request->headers[i].name, name)) return request->headers[i].value;
  return (ws_text){NULL, 0};
}
