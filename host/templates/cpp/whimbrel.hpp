// WebSocket handlers for Whimbrel in C++: a class, one object of it per connection. A thin layer over whimbrel.h. There are
// no exceptions: a handler returns what went wrong, and an abort ends the instance.

#pragma once

#include <compare>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "whimbrel.h"

namespace whimbrel {

using Text = std::string_view;

namespace detail {
inline ws_text lent(Text text) { return {text.data() ? text.data() : "", text.size()}; }
inline Text shown(ws_text text) { return {text.data, text.size}; }
inline std::optional<Text> shown_option(ws_text text) {
  return text.data ? std::optional(shown(text)) : std::nullopt;
}
inline std::string taken(ws_text text) {
  std::string copy(text.data ? text.data : "", text.size);
  free(const_cast<char *>(text.data));
  return copy;
}
}  // namespace detail

// One complete message. The data lives until the handler returns.
struct Message {
  bool is_text;
  Text data;

  static Message text(Text data) { return {true, data}; }
  static Message binary(Text data) { return {false, data}; }
  static Message binary(const void *data, size_t size) { return {false, {static_cast<const char *>(data), size}}; }
  ws_message lent() const { return {is_text, data.data() ? data.data() : "", data.size()}; }
};

// What a call to the host came to: true when it was refused, so that `if (auto error = ...)` reads well.
class Error {
 public:
  Error(ws_error kind = WS_OK) : kind_(kind) {
    if (kind == WS_INVALID || kind == WS_DENIED) detail_ = ws_error_detail();
  }
  explicit operator bool() const { return kind_ != WS_OK; }
  ws_error kind() const { return kind_; }
  // `closed`, `buffer-full`, ...
  const char *name() const { return ws_error_name(kind_); }
  // The host's words for WS_INVALID and WS_DENIED.
  const std::string &detail() const { return detail_; }

 private:
  ws_error kind_;
  std::string detail_;
};

// What an event came to: nothing, or why it failed. A failure closes the connection with 1011, and its text is logged.
class Result {
 public:
  Result() = default;
  // The outcome of a call is the outcome of the event: `return connection.send(message);`
  Result(const Error &error) {
    if (error) failure_ = error.detail().empty() ? error.name() : std::string(error.name()) + ": " + error.detail();
  }
  static Result failure(std::string text) {
    Result result;
    result.failure_ = std::move(text);
    return result;
  }
  const std::optional<std::string> &failure() const { return failure_; }

 private:
  std::optional<std::string> failure_;
};

// A connection's number, with what can be done to it. Copy it, keep it, compare it.
class Connection {
 public:
  explicit Connection(ws_connection id) : id_(id) {}
  ws_connection id() const { return id_; }
  auto operator<=>(const Connection &) const = default;

  // Queue a message; returns at once.
  Error send(const Message &message) const { return ws_send(id_, message.lent()); }
  Error send(Text text) const { return send(Message::text(text)); }
  Error send_bytes(const void *data, size_t size) const { return ws_send_bytes(id_, data, size); }
  // Wait until at most so many bytes wait for the peer.
  Error drained(uint32_t low_water) const { return ws_drained(id_, low_water); }
  Error ping(Text data) const { return ws_ping(id_, data.data(), data.size()); }
  // Start the closing handshake; code 0 for none.
  Error close(uint16_t code = 0, const std::string &reason = "") const { return ws_close(id_, code, reason.c_str()); }
  Error set_nodelay(bool on) const { return ws_set_nodelay(id_, on); }
  Error subscribe(Text topic) const { return ws_subscribe(id_, detail::lent(topic)); }
  Error unsubscribe(Text topic) const { return ws_unsubscribe(id_, detail::lent(topic)); }
  // Keep at most 16 KiB with the connection, in the host.
  Error attach(Text data) const { return ws_attach(id_, data.data(), data.size()); }
  Error attachment(std::string &data) const {
    ws_text text;
    Error error = ws_attachment(id_, &text);
    data = detail::taken(text);
    return error;
  }
  // Empty when none was chosen.
  std::string subprotocol() const { return detail::taken(ws_subprotocol(id_)); }
  // What the host knows of it.
  Error inspect(ws_info &info) const { return ws_inspect(id_, &info); }

 private:
  ws_connection id_;
};

// To every subscriber of a topic, or to all but one; `taken` gets how many queues took it.
inline Error publish(Text topic, const Message &message, uint32_t *taken = nullptr) {
  return ws_publish(detail::lent(topic), message.lent(), 0, taken);
}
inline Error publish_except(Connection except, Text topic, const Message &message, uint32_t *taken = nullptr) {
  return ws_publish(detail::lent(topic), message.lent(), except.id(), taken);
}

// The same message for many connections of this instance; how many took it.
inline uint32_t send_many(const std::vector<Connection> &connections, const Message &message) {
  std::vector<ws_connection> ids;
  for (Connection connection : connections) ids.push_back(connection.id());
  return ws_send_many(ids.data(), ids.size(), message.lent());
}
// The connections of this instance.
inline std::vector<Connection> connections() {
  size_t count;
  ws_connection *ids = ws_connections(&count);
  std::vector<Connection> connections;
  for (size_t i = 0; i < count; i++) connections.emplace_back(ids[i]);
  free(ids);
  return connections;
}

// The request of the opening handshake. Its texts live until the handler returns: copy what is to live longer.
class Request {
 public:
  explicit Request(const ws_request *request) : request_(request) {}
  Text path() const { return detail::shown(request_->path); }
  std::optional<Text> query() const { return detail::shown_option(request_->query); }
  Text host() const { return detail::shown(request_->host); }
  std::optional<Text> origin() const { return detail::shown_option(request_->origin); }
  Text peer() const { return detail::shown(request_->peer); }
  bool secure() const { return request_->secure; }
  // The value of the route's capture of this name.
  std::optional<Text> arg(const std::string &name) const {
    return detail::shown_option(ws_request_arg(request_, name.c_str()));
  }
  // Names and values of all captures, in the pattern's order.
  std::vector<std::pair<std::optional<Text>, std::optional<Text>>> args() const {
    std::vector<std::pair<std::optional<Text>, std::optional<Text>>> args;
    for (size_t i = 0; i < request_->arg_count; i++)
      args.emplace_back(detail::shown_option(request_->args[i].name), detail::shown_option(request_->args[i].value));
    return args;
  }
  // The first header field of this name, which is in lower case.
  std::optional<Text> header(const std::string &name) const {
    return detail::shown_option(ws_request_header(request_, name.c_str()));
  }
  std::vector<std::pair<Text, Text>> headers() const {
    std::vector<std::pair<Text, Text>> headers;
    for (size_t i = 0; i < request_->header_count; i++)
      headers.emplace_back(detail::shown(request_->headers[i].name), detail::shown(request_->headers[i].value));
    return headers;
  }
  std::vector<Text> subprotocols() const {
    std::vector<Text> names;
    for (size_t i = 0; i < request_->subprotocol_count; i++) names.push_back(detail::shown(request_->subprotocols[i]));
    return names;
  }

 private:
  const ws_request *request_;
};

// How a connection ended: `code` is 0, and `reason` empty, where the peer gave none.
struct CloseInfo {
  uint16_t code;
  std::optional<Text> reason;
  ws_cause cause;
};

// The answer to a handshake, filled in as the manifest's origin rule says.
class Answer {
 public:
  explicit Answer(ws_answer *answer) : answer_(answer) {}
  void accept() { answer_->refuse = 0; }
  // Texts given to these must live until on_upgrade returns: literals, or parts of the request.
  void refuse(uint16_t status, Text body = "") {
    answer_->refuse = status;
    answer_->body = detail::lent(body);
  }
  void choose_subprotocol(Text name) { answer_->subprotocol = detail::lent(name); }
  // At most 16.
  void add_header(Text name, Text value) {
    if (answer_->header_count < sizeof answer_->headers / sizeof *answer_->headers)
      answer_->headers[answer_->header_count++] = {detail::lent(name), detail::lent(value)};
  }
  void set_max_message_size(uint32_t bytes) { answer_->max_message_size = bytes; }
  // In milliseconds, or WS_OFF.
  void set_ping_interval(uint32_t ms) { answer_->ping_interval_ms = ms; }
  void set_ping_timeout(uint32_t ms) { answer_->ping_timeout_ms = ms; }

 private:
  ws_answer *answer_;
};

// What a handler derives from. A handler may have `static void on_upgrade(const Request &, bool origin_allowed, Answer &)`.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual Result on_open(Connection, const Request &) { return {}; }
  virtual Result on_message(Connection connection, const Message &message) = 0;
  virtual void on_close(Connection, const CloseInfo &) {}
  virtual void on_ping(Connection, Text) {}
  virtual void on_pong(Connection, Text) {}
};

// The objects of all connections of an instance.
template <class Type>
class Handlers {
 public:
  bool open(ws_connection id, const ws_request *request) {
    auto handler = std::make_unique<Type>();
    if (!told(handler->on_open(Connection(id), Request(request)))) return false;
    handlers_[id] = std::move(handler);
    return true;
  }
  bool message(ws_connection id, ws_message message) {
    return told(handlers_.at(id)->on_message(Connection(id), {message.is_text, {message.data, message.size}}));
  }
  void close(ws_connection id, ws_close_info info) {
    auto handler = std::move(handlers_.at(id));
    handlers_.erase(id);
    handler->on_close(Connection(id), {info.code, detail::shown_option(info.reason), info.cause});
  }
  void ping(ws_connection id, ws_text data) { handlers_.at(id)->on_ping(Connection(id), detail::shown(data)); }
  void pong(ws_connection id, ws_text data) { handlers_.at(id)->on_pong(Connection(id), detail::shown(data)); }
  static void upgrade(const ws_request *request, bool origin_allowed, ws_answer *answer) {
    Request shown(request);
    Answer filled(answer);
    if constexpr (requires { Type::on_upgrade(shown, origin_allowed, filled); })
      Type::on_upgrade(shown, origin_allowed, filled);
  }

 private:
  static bool told(const Result &result) { return !result.failure() || ws_fail(result.failure()->c_str()); }
  std::map<ws_connection, std::unique_ptr<Type>> handlers_;
};

}  // namespace whimbrel

// Once, in one file: makes a class the handler.
#define WHIMBREL_HANDLER(Type)                                                                                      \
  static whimbrel::Handlers<Type> whimbrel_handlers;                                                                \
  extern "C" {                                                                                                      \
  bool ws_on_open(ws_connection id, const ws_request *request) { return whimbrel_handlers.open(id, request); }      \
  bool ws_on_message(ws_connection id, ws_message message) { return whimbrel_handlers.message(id, message); }       \
  void ws_on_close(ws_connection id, ws_close_info info) { whimbrel_handlers.close(id, info); }                     \
  void ws_on_ping(ws_connection id, ws_text data) { whimbrel_handlers.ping(id, data); }                             \
  void ws_on_pong(ws_connection id, ws_text data) { whimbrel_handlers.pong(id, data); }                             \
  void ws_on_upgrade(const ws_request *request, bool origin_allowed, ws_answer *answer) {                           \
    whimbrel_handlers.upgrade(request, origin_allowed, answer);                                                     \
  }                                                                                                                 \
  }
