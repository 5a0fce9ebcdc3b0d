package whimbrel

import (
	"unicode/utf8"

)

// Connection is a connection's number, as in the host's log. It may be kept and used as a key.
type Connection uint32

// Info is what the host knows of a connection.
type Info struct {
	// Subprotocol that was chosen; "" for none.
	Subprotocol string
	// IsOpen until a close frame was sent or received, or the transport ended.
	IsOpen bool
	// Buffered bytes wait for the peer.
	Buffered uint32
	// Messages received and given to the handler; messages queued for the peer.
	MessagesIn, MessagesOut uint64
	// RoundTripUs of the last answered keep-alive ping, in microseconds; 0 before the first.
	RoundTripUs uint32
}

const longestControl = 125

// Send queues a message. ErrClosed, or ErrBufferFull when too much waits for the peer.
func (connection Connection) Send(message Message) error {
	if err := check(message); err != nil {
		return err
	}
	spend(message.size())
	return hostSend(uint32(connection), message)
}

// SendText queues text.
func (connection Connection) SendText(text string) error { return connection.Send(Text(text)) }

// SendBinary queues bytes.
func (connection Connection) SendBinary(data []byte) error { return connection.Send(Binary(data)) }

// SendMany queues one message for many connections of this instance, and returns how many took it.
func SendMany(to []Connection, message Message) (int, error) {
	if err := check(message); err != nil {
		return 0, err
	}
	spend(message.size())
	return hostSendMany(numbers(to), message), nil
}

// Drained waits until at most so many bytes wait for the peer. All connections of the instance wait with it.
func (connection Connection) Drained(lowWater uint32) error {
	return hostDrained(uint32(connection), lowWater)
}

// Ping queues a ping with at most 125 bytes.
func (connection Connection) Ping(data []byte) error {
	if len(data) > longestControl {
		return invalid("a ping of %d bytes: at most %d are allowed", len(data), longestControl)
	}
	return hostPing(uint32(connection), data)
}

// Close starts the closing handshake; code 0 for a close frame without one.
func (connection Connection) Close(code uint16, reason string) error {
	if !utf8.ValidString(reason) {
		return invalid("a reason is UTF-8")
	}
	return hostClose(uint32(connection), code, reason)
}

// SetNoDelay switches TCP_NODELAY, which is on.
func (connection Connection) SetNoDelay(on bool) error {
	return hostSetNoDelay(uint32(connection), on)
}

// Inspect tells what the host knows of it.
func (connection Connection) Inspect() (Info, error) { return hostInspect(uint32(connection)) }

// Attach keeps at most 16 KiB with the connection, in the host, whatever happens to the instance.
func (connection Connection) Attach(data []byte) error {
	return hostAttach(uint32(connection), data)
}

// Attachment is what was attached; empty when nothing was.
func (connection Connection) Attachment() ([]byte, error) {
	return hostAttachment(uint32(connection))
}

// Subscribe delivers to the peer what is published under a topic, by any instance of the deployment.
func (connection Connection) Subscribe(topic string) error {
	if err := checkTopic(topic); err != nil {
		return err
	}
	return hostSubscribe(uint32(connection), topic)
}

// Unsubscribe stops that.
func (connection Connection) Unsubscribe(topic string) error {
	if err := checkTopic(topic); err != nil {
		return err
	}
	return hostUnsubscribe(uint32(connection), topic)
}

// Publish sends to all subscribers of a topic but those named, and returns how many there are on this host.
func Publish(topic string, message Message, except ...Connection) (int, error) {
	if err := checkTopic(topic); err != nil {
		return 0, err
	}
	if err := check(message); err != nil {
		return 0, err
	}
	spend(message.size())
	return hostPublish(topic, message, numbers(except))
}

// Connections of this instance, in the order of their numbers: all of the room, under the scope "room".
func Connections() []Connection {
	var all []Connection
	for _, number := range hostConnections() {
		all = append(all, Connection(number))
	}
	return all
}

// Text that is no UTF-8 would end the instance: the component model has no such strings.
func check(message Message) error {
	if !utf8.ValidString(message.text) {
		return invalid("text is UTF-8; send other bytes with Binary")
	}
	return nil
}

func checkTopic(topic string) error {
	if !utf8.ValidString(topic) {
		return invalid("a topic is UTF-8")
	}
	return nil
}

func numbers(of []Connection) []uint32 {
	numbers := make([]uint32, 0, len(of))
	for _, connection := range of {
		numbers = append(numbers, uint32(connection))
	}
	return numbers
}

