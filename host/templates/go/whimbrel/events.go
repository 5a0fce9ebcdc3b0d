package whimbrel

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"whimbrel/internal/hooks"
	types "whimbrel/internal/imports/whimbrel_websocket_types"
	upgrades "whimbrel/internal/imports/whimbrel_websocket_upgrade"
	wit "whimbrel/internal/wit/types"
)

const originRefused = "Cross origin websockets not allowed"

// The handlers of the connections of this instance.
var handlers = map[Connection]Handler{}

func init() {
	hooks.Open = open
	hooks.OnMessage = onMessage
	hooks.OnClose = onClose
	hooks.OnPing = onPing
	hooks.OnPong = onPong
	hooks.Upgrade = upgrade
	hooks.Scopes = scopes
}

func open(number uint32, raw types.Request) error {
	defer collect()
	connection := Connection(number)
	return guarded("open", func() error {
		if guest.Open == nil {
			return errors.New("no guest: call whimbrel.Export in init")
		}
		handler, err := guest.Open(connection, requestOf(raw))
		if err == nil && handler == nil {
			err = errors.New("Guest.Open returned no handler and no error")
		}
		if err == nil {
			handlers[connection] = handler
		}
		return err
	})
}

func onMessage(number uint32, raw types.Message) error {
	defer collect()
	return guarded("on-message", func() error {
		handler, err := handlerOf(Connection(number))
		if err != nil {
			return err
		}
		message := messageOf(raw)
		spend(message.size())
		return handler.OnMessage(Connection(number), message)
	})
}

func onClose(number uint32, raw types.CloseInfo) {
	defer collect()
	connection := Connection(number)
	_ = guarded("on-close", func() error {
		handler, err := handlerOf(connection)
		delete(handlers, connection)
		if err == nil {
			handler.OnClose(connection, closeInfoOf(raw))
		}
		return err
	})
}

func onPing(number uint32, data []byte) {
	control("on-ping", Connection(number), func(handler Handler) { handler.OnPing(Connection(number), data) })
}

func onPong(number uint32, data []byte) {
	control("on-pong", Connection(number), func(handler Handler) { handler.OnPong(Connection(number), data) })
}

// These have no result to tell a failure with, so the connection is closed here as the host would.
func control(event string, connection Connection, run func(Handler)) {
	defer collect()
	err := guarded(event, func() error {
		handler, err := handlerOf(connection)
		if err == nil {
			run(handler)
		}
		return err
	})
	if err != nil {
		_ = connection.Close(1011, "")
	}
}

func handlerOf(connection Connection) (Handler, error) {
	if handler := handlers[connection]; handler != nil {
		return handler, nil
	}
	if guest.Resume == nil {
		return nil, fmt.Errorf("connection %d was opened by another instance, and Guest.Resume is nil", connection)
	}
	handler, err := guest.Resume(connection)
	if err == nil && handler == nil {
		err = errors.New("Guest.Resume returned no handler and no error")
	}
	if err == nil {
		handlers[connection] = handler
	}
	return handler, err
}

// A panic becomes an error: it costs one connection and not all of the instance.
func guarded(event string, run func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			fmt.Fprintf(os.Stderr, "panic in %s: %v\n%s", event, reason, stack())
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	return run()
}

// Where in the handler the panic began: a line per function, without the SDK's and the runtime's, for the host's log.
func stack() string {
	const mostFunctions = 32
	var text strings.Builder
	callers := make([]uintptr, mostFunctions)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	hasPanicked := false
	for frame, more := frames.Next(); more; frame, more = frames.Next() {
		switch {
		case frame.Function == "runtime.gopanic":
			hasPanicked = true
		case !hasPanicked || strings.HasPrefix(frame.Function, "runtime."):
		case frame.Function == "whimbrel.guarded":
			return text.String()
		case !strings.HasPrefix(frame.Function, "whimbrel."):
			fmt.Fprintf(&text, "\tat %s (%s:%d)\n", frame.Function, frame.File, frame.Line)
		}
	}
	return text.String()
}

// Tornado's order: prepare, origin, subprotocol, then what goes into the response.
func upgrade(raw types.Request, originAllowed bool) (acceptance *upgrades.Acceptance, refusal *upgrades.Refusal) {
	defer collect()
	err := guarded("upgrade", func() (err error) {
		acceptance, err = decide(requestOf(raw), originAllowed)
		return err
	})
	var refused *Refusal
	switch {
	case err == nil:
		return acceptance, nil
	case errors.As(err, &refused):
		return nil, &upgrades.Refusal{Status: refused.Status, Headers: fields(refused.Headers), Body: []byte(refused.Body)}
	default:
		fmt.Fprintln(os.Stderr, "the handshake failed:", err)
		return nil, &upgrades.Refusal{Status: 500}
	}
}

func decide(request *Request, originAllowed bool) (*upgrades.Acceptance, error) {
	if guest.Prepare != nil {
		if err := guest.Prepare(request); err != nil {
			return nil, err
		}
	}
	if !originAllowed && (request.Origin == "" || guest.CheckOrigin == nil || !guest.CheckOrigin(request.Origin, request)) {
		return nil, &Refusal{Status: 403, Headers: []Header{{"content-type", "text/plain"}}, Body: originRefused}
	}
	acceptance := &upgrades.Acceptance{}
	if guest.SelectSubprotocol != nil {
		if chosen := guest.SelectSubprotocol(request.Subprotocols, request); chosen != "" {
			if !utf8.ValidString(chosen) {
				return nil, invalid("a subprotocol is UTF-8")
			}
			acceptance.Subprotocol = wit.Some(chosen)
		}
	}
	if guest.ResponseHeaders != nil {
		acceptance.Headers = fields(guest.ResponseHeaders(request))
	}
	if guest.Settings != nil {
		settings := guest.Settings(request)
		if settings.MaxMessageSize != nil {
			acceptance.MaxMessageSize = wit.Some(*settings.MaxMessageSize)
		}
		acceptance.PingIntervalMs = milliseconds(settings.PingInterval)
		acceptance.PingTimeoutMs = milliseconds(settings.PingTimeout)
	}
	return acceptance, nil
}

// Rounded up: 0 would turn a short interval off.
func milliseconds(duration *time.Duration) wit.Option[uint32] {
	if duration == nil {
		return wit.None[uint32]()
	}
	rounded := (max(*duration, 0) + time.Millisecond - 1) / time.Millisecond
	return wit.Some(uint32(min(rounded, 1<<32-1)))
}

func scopes() []uint8 {
	all := guest.Scopes
	if len(all) == 0 {
		all = []Scope{ScopeConnection, ScopeRoom, ScopeShared, ScopeEvent}
	}
	numbers := make([]uint8, 0, len(all))
	for _, scope := range all {
		numbers = append(numbers, uint8(scope))
	}
	return numbers
}
