package whimbrel

import (
	"fmt"
	"strings"
)

// Request is the opening handshake's.
type Request struct {
	// Path as the client sent it, not percent-decoded, without the query.
	Path string
	// Query is what follows the first "?"; HasQuery tells "" from none.
	Query    string
	HasQuery bool
	// Args are the captures of the route, percent-decoded, in its order.
	Args []Arg
	// Headers have names in lower case.
	Headers []Header
	// Host header.
	Host string
	// Origin header; "" for none.
	Origin string
	// Subprotocols that the client offers, in its order.
	Subprotocols []string
	// Peer is the client's address and port.
	Peer string
	// IsSecure over TLS.
	IsSecure bool
}

// Arg is one capture.
type Arg struct {
	// Name of the group; "" for none.
	Name string
	// Value, if the group took part in the match.
	Value   string
	IsGiven bool
}

// Header is a header field.
type Header struct{ Name, Value string }

// Arg is the value of the capture with this name; "" when the route has none or it took no part.
func (request *Request) Arg(name string) string {
	for _, arg := range request.Args {
		if arg.Name == name {
			return arg.Value
		}
	}
	return ""
}

// Header is the first header field of this name, in any case; "" for none.
func (request *Request) Header(name string) string {
	for _, field := range request.Headers {
		if strings.EqualFold(field.Name, name) {
			return field.Value
		}
	}
	return ""
}

// Refusal is an error for Guest.Prepare: the response that the client gets instead of a connection.
type Refusal struct {
	// Status from 300 to 599.
	Status  uint16
	Headers []Header
	Body    string
}

// Error names the status.
func (refusal *Refusal) Error() string { return fmt.Sprintf("refused with %d", refusal.Status) }

// CloseInfo is how a connection ended.
type CloseInfo struct {
	// Code in the peer's close frame; 0 when no frame with a code came. Reason is "" then.
	Code   uint16
	Reason string
	// Cause is who or what ended it.
	Cause CloseCause
}

// CloseCause is why a connection ended.
type CloseCause uint8

// The causes, as in the contract.
const (
	ClosedByPeer CloseCause = iota
	ClosedByGuest
	NetworkEnded
	PingTimeout
	ProtocolError
	InvalidText
	MessageTooBig
	RateLimited
	SlowConsumer
	GuestError
	Drained
)

// String is the contract's name.
func (cause CloseCause) String() string {
	names := [...]string{"peer", "guest", "network", "ping-timeout", "protocol-error", "invalid-text", "message-too-big",
		"rate-limited", "slow-consumer", "guest-error", "drained"}
	if int(cause) < len(names) {
		return names[cause]
	}
	return fmt.Sprint(uint8(cause))
}
