// The guest of all languages in C; tests/languages/README.md says what it does.

#include "whimbrel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// An instance serves one connection: its state is in variables.
static ws_text path, query, host, origin, subprotocols, args, headers;
static unsigned messages;
static bool secure;

static ws_text text_of(const char *string) { return ws_str(string); }
static ws_text kept(ws_text text) { return text.data ? text_of(ws_copy(text)) : text; }
static int size_of(ws_text text) { return text.data ? (int)text.size : 1; }
static const char *data_of(ws_text text) { return text.data ? text.data : "-"; }

static bool fails(ws_text query, const char *function) {
  return ws_starts_with(query, "fail=") && ws_is((ws_text){query.data + 5, query.size - 5}, function);
}

// A bug, as C knows it.
static void crash(const char *text) {
  fprintf(stderr, "%s\n", text);
  abort();
}

// Memory that grows as it is printed into.
static ws_text joined(ws_text before, const char *separator, ws_text name, const char *between, ws_text value) {
  char *text;
  if (before.size == 0) separator = "";
  asprintf(&text, "%.*s%s%.*s%s%.*s", (int)before.size, before.size ? before.data : "", separator, (int)name.size,
           name.data, between, size_of(value), data_of(value));
  return text_of(text);
}

bool ws_on_open(ws_connection connection, const ws_request *request) {
  query = kept(request->query);
  if (fails(query, "open")) return ws_fail("failed in open");
  path = kept(request->path);
  host = kept(request->host);
  origin = kept(request->origin);
  secure = request->secure;
  for (size_t i = 0; i < request->arg_count; i++) {
    ws_text name = request->args[i].name;
    args = joined(args, ",", name.data ? name : text_of("_"), "=", request->args[i].value);
  }
  for (size_t i = 0; i < request->subprotocol_count; i++)
    subprotocols = joined(subprotocols, ",", request->subprotocols[i], "", text_of(""));
  for (size_t i = 0; i < request->header_count; i++)
    headers = joined(headers, "\n", request->headers[i].name, "=", request->headers[i].value);
  return true;
}

static ws_text header(const char *name) {
  size_t size = strlen(name);
  for (const char *line = headers.data; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, name, size) == 0 && line[size] == '=') {
      line += size + 1;
      return (ws_text){line, strcspn(line, "\n")};
    }
  }
  return (ws_text){NULL, 0};
}

static ws_error answer(ws_connection connection, ws_text text) {
  return ws_send(connection, (ws_message){true, data_of(text), size_of(text)});
}

static ws_error answer_ok(ws_connection connection, ws_error error) {
  return error == WS_OK ? ws_send_text(connection, "ok") : error;
}

static ws_error answer_count(ws_connection connection, ws_error error, uint32_t count) {
  char text[16];
  snprintf(text, sizeof text, "ok %u", count);
  return error == WS_OK ? ws_send_text(connection, text) : error;
}

static ws_error publish(ws_connection connection, char *rest, ws_connection except) {
  char *text = strchr(rest, ' ');
  uint32_t count;
  *text++ = 0;
  ws_error error = ws_publish(ws_str(rest), ws_text_message(text), except, &count);
  return answer_count(connection, error, count);
}

static ws_error attachment(ws_connection connection) {
  ws_text text;
  ws_error error = ws_attachment(connection, &text);
  if (error == WS_OK) error = ws_send(connection, (ws_message){true, text.data, text.size});
  free((void *)text.data);
  return error;
}

static ws_error request(ws_connection connection) {
  char *text;
  asprintf(&text, "path=%.*s host=%.*s origin=%.*s subprotocols=%.*s secure=%s", (int)path.size, path.data, (int)host.size,
           host.data, size_of(origin), data_of(origin), (int)subprotocols.size, subprotocols.size ? subprotocols.data : "",
           secure ? "true" : "false");
  ws_error error = ws_send_text(connection, text);
  free(text);
  return error;
}

static ws_error run(ws_connection connection, const char *name, char *rest) {
  if (!strcmp(name, "args")) return answer(connection, args);
  if (!strcmp(name, "query")) return answer(connection, query);
  if (!strcmp(name, "header")) return answer(connection, header(rest));
  if (!strcmp(name, "request")) return request(connection);
  if (!strcmp(name, "subprotocol")) return answer(connection, ws_subprotocol(connection));
  if (!strcmp(name, "count")) {
    char text[16];
    snprintf(text, sizeof text, "%u", messages);
    return ws_send_text(connection, text);
  }
  if (!strcmp(name, "close")) {
    char *reason;
    unsigned long code = strtoul(rest, &reason, 10);
    return ws_close(connection, (uint16_t)code, *reason ? reason + 1 : "");
  }
  if (!strcmp(name, "ping")) return ws_ping(connection, rest, strlen(rest));
  if (!strcmp(name, "subscribe")) return answer_ok(connection, ws_subscribe(connection, ws_str(rest)));
  if (!strcmp(name, "unsubscribe")) return answer_ok(connection, ws_unsubscribe(connection, ws_str(rest)));
  if (!strcmp(name, "publish")) return publish(connection, rest, 0);
  if (!strcmp(name, "publish-others")) return publish(connection, rest, connection);
  if (!strcmp(name, "attach")) return answer_ok(connection, ws_attach(connection, rest, strlen(rest)));
  if (!strcmp(name, "attachment")) return attachment(connection);
  if (!strcmp(name, "print")) return printf("%s\n", rest), ws_send_text(connection, "ok");
  if (!strcmp(name, "eprint")) return fprintf(stderr, "%s\n", rest), ws_send_text(connection, "ok");
  return ws_send_text(connection, "unknown command");
}

bool ws_on_message(ws_connection connection, ws_message message) {
  messages++;
  if (!message.is_text || message.size == 0 || message.data[0] != '!')
    return ws_send(connection, message) == WS_OK || ws_fail("cannot send");
  char *command = ws_copy((ws_text){message.data + 1, message.size - 1});
  char *rest = strchr(command, ' ');
  if (rest) *rest++ = 0;
  else rest = command + strlen(command);
  bool ok = strcmp(command, "fail") != 0;
  if (!ok) ws_fail(rest);
  ws_error error = ok ? run(connection, command, rest) : WS_OK;
  if (error != WS_OK) {
    char text[64];
    snprintf(text, sizeof text, "error %s", ws_error_name(error));
    ws_send_text(connection, text);
  }
  free(command);
  return ok;
}

void ws_on_close(ws_connection connection, ws_close_info info) {
  static const char *const causes[] = {"peer",         "guest",           "network",      "ping-timeout",  "protocol-error",
                                       "invalid-text", "message-too-big", "rate-limited", "slow-consumer", "guest-error",
                                       "drained"};
  if (fails(query, "close")) crash("failed in close");
  char code[8] = "-";
  if (info.code) snprintf(code, sizeof code, "%u", info.code);
  printf("closed code=%s reason=%.*s cause=%s\n", code, size_of(info.reason), data_of(info.reason), causes[info.cause]);
}

static void tell(ws_connection connection, const char *event, ws_text data) {
  char text[160];
  snprintf(text, sizeof text, "%s %.*s", event, (int)data.size, data.data);
  ws_send_text(connection, text);
}

void ws_on_ping(ws_connection connection, ws_text data) {
  if (fails(query, "ping")) crash("failed in ping");
  tell(connection, "ping", data);
}

void ws_on_pong(ws_connection connection, ws_text data) {
  if (fails(query, "pong")) crash("failed in pong");
  if (data.size) tell(connection, "pong", data);
}

void ws_on_upgrade(const ws_request *request, bool origin_allowed, ws_answer *answer) {
  if (fails(request->query, "upgrade")) crash("failed in upgrade");
  if (ws_starts_with(request->query, "refuse=")) {
    answer->refuse = (uint16_t)atoi(request->query.data + 7);
    answer->headers[answer->header_count++] = (ws_header){ws_str("x-refused"), ws_str("yes")};
    answer->body = ws_str("refused");
    return;
  }
  for (size_t i = 0; i < request->subprotocol_count; i++)
    if (ws_is(request->subprotocols[i], "case.v2")) answer->subprotocol = request->subprotocols[i];
  answer->headers[answer->header_count++] = (ws_header){ws_str("x-case"), ws_str("yes")};
}
