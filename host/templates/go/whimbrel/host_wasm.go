//go:build wasm

package whimbrel

import (
	_ "whimbrel/internal/exports/wit_exports"
	connections "whimbrel/internal/imports/whimbrel_websocket_connection"
	topics "whimbrel/internal/imports/whimbrel_websocket_topics"
	types "whimbrel/internal/imports/whimbrel_websocket_types"
	wit "whimbrel/internal/wit/types"
)

func hostSend(id uint32, message Message) error { return failure(connections.Send(id, raw(message))) }

func hostSendMany(ids []uint32, message Message) int {
	return int(connections.SendMany(ids, raw(message)))
}

func hostDrained(id, lowWater uint32) error { return failure(connections.Drained(id, lowWater)) }

func hostPing(id uint32, data []byte) error { return failure(connections.Ping(id, data)) }

func hostClose(id uint32, code uint16, reason string) error {
	given := wit.None[uint16]()
	if code != 0 {
		given = wit.Some(code)
	}
	return failure(connections.Close(id, given, reason))
}

func hostSetNoDelay(id uint32, on bool) error { return failure(connections.SetNodelay(id, on)) }

func hostInspect(id uint32) (Info, error) {
	answer := connections.Inspect(id)
	if err := failure(answer); err != nil {
		return Info{}, err
	}
	info := answer.Ok()
	return Info{
		Subprotocol: info.Subprotocol.SomeOr(""), IsOpen: info.Open, Buffered: info.Buffered,
		MessagesIn: info.MessagesIn, MessagesOut: info.MessagesOut, RoundTripUs: info.RoundTripUs.SomeOr(0),
	}, nil
}

func hostConnections() []uint32 { return connections.Connections() }

func hostAttach(id uint32, data []byte) error { return failure(connections.Attach(id, data)) }

func hostAttachment(id uint32) ([]byte, error) {
	answer := connections.Attachment(id)
	if err := failure(answer); err != nil {
		return nil, err
	}
	return answer.Ok(), nil
}

func hostSubscribe(id uint32, topic string) error { return failure(topics.Subscribe(id, topic)) }

func hostUnsubscribe(id uint32, topic string) error { return failure(topics.Unsubscribe(id, topic)) }

func hostPublish(topic string, message Message, except []uint32) (int, error) {
	answer := topics.Publish(topic, raw(message), except)
	if err := failure(answer); err != nil {
		return 0, err
	}
	return int(answer.Ok()), nil
}

func raw(message Message) types.Message {
	if message.isBinary {
		return types.MakeMessageBinary(message.data)
	}
	return types.MakeMessageText(message.text)
}

func failure[T any](answer wit.Result[T, types.Error]) error {
	if answer.IsOk() {
		return nil
	}
	switch reason := answer.Err(); reason.Tag() {
	case types.Error_Closed:
		return ErrClosed
	case types.Error_UnknownConnection:
		return ErrUnknownConnection
	case types.Error_TooLarge:
		return &HostError{Kind: ErrTooLarge, Bytes: reason.TooLarge()}
	case types.Error_BufferFull:
		return &HostError{Kind: ErrBufferFull, Bytes: reason.BufferFull()}
	case types.Error_Invalid:
		return &HostError{Kind: ErrInvalid, Detail: reason.Invalid()}
	default:
		return &HostError{Kind: ErrDenied, Detail: reason.Denied()}
	}
}
