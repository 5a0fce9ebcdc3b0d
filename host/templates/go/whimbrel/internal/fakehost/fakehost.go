// Package fakehost is a stand-in for the host, for tests.
package fakehost

import (
	"fmt"
	"slices"
)

// Answer of the host.
type Answer uint8

// The answers that tests can provoke.
const (
	Ok Answer = iota
	Closed
	Unknown
	TooLarge
	Invalid
)

// LargestAttachment in bytes.
const LargestAttachment = 16 << 10

// Message for a peer.
type Message struct {
	Text     string
	Data     []byte
	IsBinary bool
}

// Peer of a connection: what reached it.
type Peer struct {
	Subprotocol string
	Received    []Message
	Pings       [][]byte
	IsClosed    bool
	Code        uint16
	Reason      string
	Topics      map[string]bool
	Attachment  []byte
}

// Peers by the numbers of their connections.
var Peers = map[uint32]*Peer{}

// IsOpen tells whether a connection is open.
func IsOpen(id uint32) (Answer, string) {
	_, answer := open(id)
	return answer, ""
}

// Send delivers at once.
func Send(id uint32, message Message) (Answer, string) {
	peer, answer := open(id)
	if answer == Ok {
		peer.Received = append(peer.Received, message)
	}
	return answer, ""
}

// Ping delivers at once.
func Ping(id uint32, data []byte) (Answer, string) {
	peer, answer := open(id)
	if answer == Ok {
		peer.Pings = append(peer.Pings, data)
	}
	return answer, ""
}

// Close as the contract allows.
func Close(id uint32, code uint16, reason string) (Answer, string) {
	peer, answer := open(id)
	if answer != Ok {
		return answer, ""
	}
	if code != 0 && (code < 1000 || code > 1003 && code < 1007 || code > 1014 && code < 3000 || code > 4999) {
		return Invalid, fmt.Sprintf("code %d: allowed are 1000 to 1003, 1007 to 1014, 3000 to 4999", code)
	}
	if len(reason) > 123 || code == 0 && reason != "" {
		return Invalid, "reason: at most 123 bytes, and only with a code"
	}
	peer.IsClosed, peer.Code, peer.Reason = true, code, reason
	return Ok, ""
}

// Attach as the contract allows.
func Attach(id uint32, data []byte) (Answer, string) {
	peer, answer := open(id)
	switch {
	case answer != Ok:
		return answer, ""
	case len(data) > LargestAttachment:
		return TooLarge, ""
	}
	peer.Attachment = slices.Clone(data)
	return Ok, ""
}

// Subscribe to a topic.
func Subscribe(id uint32, topic string) (Answer, string) {
	peer, answer := open(id)
	if answer == Ok {
		peer.Topics[topic] = true
	}
	return answer, ""
}

// Unsubscribe from it.
func Unsubscribe(id uint32, topic string) (Answer, string) {
	peer, answer := open(id)
	if answer == Ok {
		delete(peer.Topics, topic)
	}
	return answer, ""
}

// Subscribers of a topic but those.
func Subscribers(topic string, except []uint32) []uint32 {
	return slices.DeleteFunc(Connections(), func(id uint32) bool {
		return !Peers[id].Topics[topic] || slices.Contains(except, id)
	})
}

// Connections in their order.
func Connections() []uint32 {
	var ids []uint32
	for id := range Peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func open(id uint32) (*Peer, Answer) {
	peer := Peers[id]
	switch {
	case peer == nil:
		return nil, Unknown
	case peer.IsClosed:
		return nil, Closed
	}
	return peer, Ok
}
