// The guest that every language has, see ../README.md.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"whimbrel"
)

// Case is the handler of one connection.
type Case struct {
	request *whimbrel.Request
	count   int
}

// OnMessage sends a message back, or does what it says.
func (handler *Case) OnMessage(connection whimbrel.Connection, message whimbrel.Message) error {
	handler.count++
	if !message.IsText() || !strings.HasPrefix(message.Text(), "!") {
		return connection.Send(message)
	}
	name, text, _ := strings.Cut(message.Text()[1:], " ")
	answer, err := handler.command(connection, name, text)
	var failed failure
	switch {
	case errors.As(err, &failed):
		return err
	case err != nil:
		answer = "error " + variant(err)
	case answer == "":
		return nil
	}
	return connection.SendText(answer)
}

// OnPing tells of it.
func (handler *Case) OnPing(connection whimbrel.Connection, data []byte) {
	fails(handler.request, "ping")
	_ = connection.SendText("ping " + string(data))
}

// OnPong tells of it.
func (handler *Case) OnPong(connection whimbrel.Connection, data []byte) {
	if len(data) > 0 {
		fails(handler.request, "pong")
		_ = connection.SendText("pong " + string(data))
	}
}

// OnClose logs it.
func (handler *Case) OnClose(_ whimbrel.Connection, info whimbrel.CloseInfo) {
	code, reason := "-", "-"
	if info.Code != 0 {
		code, reason = strconv.Itoa(int(info.Code)), info.Reason
	}
	fmt.Printf("closed code=%s reason=%s cause=%s\n", code, reason, info.Cause)
	fails(handler.request, "close")
}

// What a test asked to fail, as an error result.
type failure string

func (failure failure) Error() string { return string(failure) }

func (handler *Case) command(connection whimbrel.Connection, name, text string) (string, error) {
	switch name {
	case "args", "query", "header", "request":
		return handler.asked(name, text), nil
	case "subprotocol":
		info, err := connection.Inspect()
		return or(info.Subprotocol, "-"), err
	case "count":
		return strconv.Itoa(handler.count), nil
	case "close":
		code, reason, _ := strings.Cut(text, " ")
		number, _ := strconv.ParseUint(code, 10, 16)
		return "", connection.Close(uint16(number), reason)
	case "ping":
		return "", connection.Ping([]byte(text))
	case "subscribe":
		return "ok", connection.Subscribe(text)
	case "unsubscribe":
		return "ok", connection.Unsubscribe(text)
	case "publish":
		topic, text, _ := strings.Cut(text, " ")
		return counted(whimbrel.Publish(topic, whimbrel.Text(text)))
	case "publish-others":
		topic, text, _ := strings.Cut(text, " ")
		return counted(whimbrel.Publish(topic, whimbrel.Text(text), connection))
	case "attach":
		return "ok", connection.Attach([]byte(text))
	case "attachment":
		data, err := connection.Attachment()
		if err == nil && len(data) == 0 {
			// An empty answer is an answer here.
			return "", connection.SendText("")
		}
		return string(data), err
	case "print":
		fmt.Println(text)
		return "ok", nil
	case "eprint":
		fmt.Fprintln(os.Stderr, text)
		return "ok", nil
	case "fail":
		return "", failure(text)
	}
	return "", failure("no such command: " + name)
}

func (handler *Case) asked(name, text string) string {
	request := handler.request
	switch name {
	case "args":
		var all []string
		for _, arg := range request.Args {
			value := "-"
			if arg.IsGiven {
				value = arg.Value
			}
			all = append(all, or(arg.Name, "_")+"="+value)
		}
		return strings.Join(all, ",")
	case "query":
		if !request.HasQuery {
			return "-"
		}
		return request.Query
	case "header":
		return or(request.Header(text), "-")
	}
	return fmt.Sprintf("path=%s host=%s origin=%s subprotocols=%s secure=%t", request.Path, request.Host,
		or(request.Origin, "-"), strings.Join(request.Subprotocols, ","), request.IsSecure)
}

func counted(count int, err error) (string, error) { return fmt.Sprintf("ok %d", count), err }

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func variant(err error) string {
	for kind, name := range map[error]string{
		whimbrel.ErrClosed: "closed", whimbrel.ErrUnknownConnection: "unknown-connection", whimbrel.ErrTooLarge: "too-large",
		whimbrel.ErrBufferFull: "buffer-full", whimbrel.ErrInvalid: "invalid", whimbrel.ErrDenied: "denied",
	} {
		if errors.Is(err, kind) {
			return name
		}
	}
	return err.Error()
}

// Where there is no result to fail with, a bug is a panic.
func fails(request *whimbrel.Request, function string) {
	if parameter(request, "fail") == function {
		panic("failed in " + function)
	}
}

func parameter(request *whimbrel.Request, name string) string {
	for _, pair := range strings.Split(request.Query, "&") {
		if key, value, _ := strings.Cut(pair, "="); key == name {
			return value
		}
	}
	return ""
}

func open(_ whimbrel.Connection, request *whimbrel.Request) (whimbrel.Handler, error) {
	fails(request, "open")
	return &Case{request: request}, nil
}

func prepare(request *whimbrel.Request) error {
	fails(request, "upgrade")
	status, err := strconv.ParseUint(parameter(request, "refuse"), 10, 16)
	if err != nil {
		return nil
	}
	refused := []whimbrel.Header{{Name: "x-refused", Value: "yes"}}
	return &whimbrel.Refusal{Status: uint16(status), Headers: refused, Body: "refused"}
}

func selectSubprotocol(offered []string, _ *whimbrel.Request) string {
	for _, name := range offered {
		if name == "case.v2" {
			return name
		}
	}
	return ""
}

func init() {
	whimbrel.Export(whimbrel.Guest{
		Open:              open,
		Prepare:           prepare,
		SelectSubprotocol: selectSubprotocol,
		ResponseHeaders: func(*whimbrel.Request) []whimbrel.Header {
			return []whimbrel.Header{{Name: "x-case", Value: "yes"}}
		},
	})
}

func main() {}
