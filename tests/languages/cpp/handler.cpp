// The guest of all languages in C++; tests/languages/README.md says what it does.

#include "whimbrel.hpp"

#include <cstdio>
#include <cstdlib>

using whimbrel::Connection;
using whimbrel::Error;
using whimbrel::Message;
using whimbrel::Request;
using whimbrel::Result;
using whimbrel::Text;

static bool fails(std::optional<Text> query, Text function) { return query == "fail=" + std::string(function); }

// A bug, as C++ without exceptions knows it.
static void crash(const char *text) {
  fprintf(stderr, "%s\n", text);
  abort();
}

class Case : public whimbrel::Handler {
 public:
  Result on_open(Connection, const Request &request) override {
    query_ = request.query();
    if (fails(query_, "open")) return Result::failure("failed in open");
    std::string subprotocols;
    for (Text name : request.subprotocols()) subprotocols += (subprotocols.empty() ? "" : ",") + std::string(name);
    request_ = "path=" + std::string(request.path()) + " host=" + std::string(request.host()) +
               " origin=" + std::string(request.origin().value_or("-")) + " subprotocols=" + subprotocols +
               " secure=" + (request.secure() ? "true" : "false");
    for (auto [name, value] : request.args())
      args_ += (args_.empty() ? "" : ",") + std::string(name.value_or("_")) + "=" + std::string(value.value_or("-"));
    for (auto [name, value] : request.headers()) headers_.try_emplace(std::string(name), value);
    return {};
  }

  Result on_message(Connection connection, const Message &message) override {
    messages_++;
    if (!message.is_text || !message.data.starts_with('!')) return connection.send(message);
    Text command = message.data.substr(1);
    Text name = command.substr(0, command.find(' '));
    Text rest = command.substr(std::min(command.size(), name.size() + 1));
    if (name == "fail") return Result::failure(std::string(rest));
    if (Error error = run(connection, name, rest)) return connection.send("error " + std::string(error.name()));
    return {};
  }

  void on_close(Connection, const whimbrel::CloseInfo &info) override {
    static const char *const causes[] = {"peer",          "guest",           "network",      "ping-timeout",
                                         "protocol-error", "invalid-text",    "message-too-big", "rate-limited",
                                         "slow-consumer",  "guest-error",     "drained"};
    if (fails(query_, "close")) crash("failed in close");
    std::string code = info.code ? std::to_string(info.code) : "-";
    std::string reason(info.reason.value_or("-"));
    printf("closed code=%s reason=%s cause=%s\n", code.c_str(), reason.c_str(), causes[info.cause]);
  }

  void on_ping(Connection connection, Text data) override {
    if (fails(query_, "ping")) crash("failed in ping");
    connection.send("ping " + std::string(data));
  }

  void on_pong(Connection connection, Text data) override {
    if (fails(query_, "pong")) crash("failed in pong");
    if (!data.empty()) connection.send("pong " + std::string(data));
  }

  static void on_upgrade(const Request &request, bool, whimbrel::Answer &answer) {
    if (fails(request.query(), "upgrade")) crash("failed in upgrade");
    if (Text query = request.query().value_or(""); query.starts_with("refuse=")) {
      answer.refuse(static_cast<uint16_t>(atoi(std::string(query.substr(7)).c_str())), "refused");
      answer.add_header("x-refused", "yes");
      return;
    }
    for (Text name : request.subprotocols())
      if (name == "case.v2") answer.choose_subprotocol(name);
    answer.add_header("x-case", "yes");
  }

 private:
  Error run(Connection connection, Text name, Text rest) {
    Text first = rest.substr(0, rest.find(' '));
    Text text = rest.substr(std::min(rest.size(), first.size() + 1));
    uint32_t count = 0;
    auto ok = [&](Error error) { return error ? error : connection.send("ok"); };
    auto counted = [&](Error error) { return error ? error : connection.send("ok " + std::to_string(count)); };
    if (name == "args") return connection.send(args_);
    if (name == "query") return connection.send(query_.value_or("-"));
    if (name == "header") {
      auto field = headers_.find(std::string(rest));
      return connection.send(field == headers_.end() ? "-" : field->second);
    }
    if (name == "request") return connection.send(request_);
    if (name == "subprotocol") {
      std::string subprotocol = connection.subprotocol();
      return connection.send(subprotocol.empty() ? "-" : subprotocol);
    }
    if (name == "count") return connection.send(std::to_string(messages_));
    if (name == "close")
      return connection.close(static_cast<uint16_t>(atoi(std::string(first).c_str())), std::string(text));
    if (name == "ping") return connection.ping(rest);
    if (name == "subscribe") return ok(connection.subscribe(rest));
    if (name == "unsubscribe") return ok(connection.unsubscribe(rest));
    if (name == "publish") return counted(whimbrel::publish(first, Message::text(text), &count));
    if (name == "publish-others") return counted(whimbrel::publish_except(connection, first, Message::text(text), &count));
    if (name == "attach") return ok(connection.attach(rest));
    if (name == "attachment") {
      std::string data;
      Error error = connection.attachment(data);
      return error ? error : connection.send(data);
    }
    if (name == "print" || name == "eprint") {
      fprintf(name == "print" ? stdout : stderr, "%.*s\n", static_cast<int>(rest.size()), rest.data());
      return connection.send("ok");
    }
    return connection.send("unknown command");
  }

  std::optional<std::string> query_;
  std::string request_, args_;
  std::map<std::string, std::string> headers_;
  unsigned messages_ = 0;
};

WHIMBREL_HANDLER(Case)
