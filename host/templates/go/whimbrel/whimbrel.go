// Package whimbrel is the SDK for handlers of Whimbrel, a host for WebSocket handlers that are WebAssembly components.
//
//	type echo struct{ whimbrel.Base }
//
//	func (*echo) OnMessage(connection whimbrel.Connection, message whimbrel.Message) error {
//		return connection.Send(message)
//	}
//
//	func init() {
//		whimbrel.Export(whimbrel.Guest{
//			Open: func(whimbrel.Connection, *whimbrel.Request) (whimbrel.Handler, error) { return &echo{}, nil },
//		})
//	}
//
//	func main() {}
//
// It is copied into the project that uses it. Tests need no host: package whimbrel/whimbreltest.
//
// Functions run during events only, one event at a time: a goroutine that is left behind stands still until a later event
// of the same instance waits for something.
package whimbrel

import "time"

// Handler has what belongs to one connection: a value of it is made by Guest.Open for each. An error or a panic is logged and
// closes the connection with 1011.
type Handler interface {
	// OnMessage gets a complete message.
	OnMessage(connection Connection, message Message) error
	// OnClose is called once, after the last message.
	OnClose(connection Connection, info CloseInfo)
	// OnPing is called for each ping; the pong has been queued already.
	OnPing(connection Connection, data []byte)
	// OnPong is called for each pong.
	OnPong(connection Connection, data []byte)
}

// Base is embedded by handlers that do not need all functions.
type Base struct{}

// OnClose does nothing.
func (Base) OnClose(Connection, CloseInfo) {}

// OnPing does nothing.
func (Base) OnPing(Connection, []byte) {}

// OnPong does nothing.
func (Base) OnPong(Connection, []byte) {}

// Guest has the functions that are called before there is a Handler. All but Open may be nil.
type Guest struct {
	// Open makes the handler of a connection that is established. After an error OnClose is not called.
	Open func(connection Connection, request *Request) (Handler, error)

	// Prepare is the first to see a handshake, whatever its origin. A *Refusal is what the client gets instead of a
	// connection; any other error is logged, and the client gets 500.
	Prepare func(request *Request) error
	// CheckOrigin says whether pages of this origin may connect. It is asked only when the manifest's trusted_origins do
	// not allow it; without it they may not.
	CheckOrigin func(origin string, request *Request) bool
	// SelectSubprotocol chooses one of those that are offered, or "". It is called once, also when none is offered.
	SelectSubprotocol func(offered []string, request *Request) string
	// ResponseHeaders are added to the response that accepts.
	ResponseHeaders func(request *Request) []Header
	// Settings of the connection; what is nil in them is as the manifest says.
	Settings func(request *Request) Settings

	// Resume makes the handler of a connection that another instance has opened, as under the scope "event"; what it
	// attached is in Connection.Attachment.
	Resume func(connection Connection) (Handler, error)
	// Scopes are those under which the guest works, all if there are none. A manifest with another one is refused.
	Scopes []Scope
}

// Settings of one connection, within the limits of the manifest and the host.
type Settings struct {
	MaxMessageSize *uint32
	// 0 turns them off.
	PingInterval, PingTimeout *time.Duration
}

// Scope is whom an instance serves.
type Scope uint8

// The scopes of a manifest.
const (
	ScopeConnection Scope = iota
	ScopeRoom
	ScopeShared
	ScopeEvent
)

var guest Guest

// Export lets a guest serve; call it in init.
func Export(exported Guest) {
	if exported.Open == nil {
		panic("whimbrel.Export: Guest.Open is nil")
	}
	guest = exported
}
