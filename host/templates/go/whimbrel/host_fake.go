//go:build !wasm

package whimbrel

import "whimbrel/internal/fakehost"

// Outside of a component, as in tests, a stand-in plays the host; whimbreltest shows what was done with it.

func spend(int) {}

func collect() {}

func hostSend(id uint32, message Message) error {
	return failure(fakehost.Send(id, fakehost.Message{Text: message.text, Data: message.data, IsBinary: message.isBinary}))
}

func hostSendMany(ids []uint32, message Message) int {
	count := 0
	for _, id := range ids {
		if hostSend(id, message) == nil {
			count++
		}
	}
	return count
}

func hostDrained(id, _ uint32) error { return failure(fakehost.IsOpen(id)) }

func hostPing(id uint32, data []byte) error { return failure(fakehost.Ping(id, data)) }

func hostClose(id uint32, code uint16, reason string) error {
	return failure(fakehost.Close(id, code, reason))
}

func hostSetNoDelay(id uint32, _ bool) error { return failure(fakehost.IsOpen(id)) }

func hostInspect(id uint32) (Info, error) {
	peer := fakehost.Peers[id]
	if peer == nil {
		return Info{}, ErrUnknownConnection
	}
	info := Info{Subprotocol: peer.Subprotocol, IsOpen: !peer.IsClosed, MessagesOut: uint64(len(peer.Received))}
	return info, nil
}

func hostConnections() []uint32 { return fakehost.Connections() }

func hostAttach(id uint32, data []byte) error { return failure(fakehost.Attach(id, data)) }

func hostAttachment(id uint32) ([]byte, error) {
	peer := fakehost.Peers[id]
	if peer == nil {
		return nil, ErrUnknownConnection
	}
	return peer.Attachment, nil
}

func hostSubscribe(id uint32, topic string) error { return failure(fakehost.Subscribe(id, topic)) }

func hostUnsubscribe(id uint32, topic string) error { return failure(fakehost.Unsubscribe(id, topic)) }

func hostPublish(topic string, message Message, except []uint32) (int, error) {
	return hostSendMany(fakehost.Subscribers(topic, except), message), nil
}

func failure(answer fakehost.Answer, detail string) error {
	switch answer {
	case fakehost.Ok:
		return nil
	case fakehost.Closed:
		return ErrClosed
	case fakehost.Unknown:
		return ErrUnknownConnection
	case fakehost.TooLarge:
		return &HostError{Kind: ErrTooLarge, Bytes: fakehost.LargestAttachment}
	default:
		return &HostError{Kind: ErrInvalid, Detail: detail}
	}
}
