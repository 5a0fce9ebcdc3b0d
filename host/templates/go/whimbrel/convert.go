package whimbrel

import (
	"strings"

	types "whimbrel/internal/imports/whimbrel_websocket_types"
	wit "whimbrel/internal/wit/types"
)

func requestOf(raw types.Request) *Request {
	request := &Request{
		Path: raw.Path, Query: raw.Query.SomeOr(""), HasQuery: raw.Query.Tag() == wit.OptionSome, Host: raw.Host,
		Origin: raw.Origin.SomeOr(""), Subprotocols: raw.Subprotocols, Peer: raw.Peer, IsSecure: raw.Secure,
	}
	for _, arg := range raw.Args {
		isGiven := arg.Value.Tag() == wit.OptionSome
		request.Args = append(request.Args, Arg{Name: arg.Name.SomeOr(""), Value: arg.Value.SomeOr(""), IsGiven: isGiven})
	}
	for _, field := range raw.Headers {
		request.Headers = append(request.Headers, Header{Name: field.F0, Value: string(field.F1)})
	}
	return request
}

func messageOf(raw types.Message) Message {
	if raw.Tag() == types.Message_Text {
		return Text(raw.Text())
	}
	return Binary(raw.Binary())
}

func closeInfoOf(raw types.CloseInfo) CloseInfo {
	return CloseInfo{Code: raw.Code.SomeOr(0), Reason: raw.Reason.SomeOr(""), Cause: CloseCause(raw.Cause)}
}

func fields(headers []Header) []wit.Tuple2[string, []uint8] {
	fields := make([]wit.Tuple2[string, []uint8], 0, len(headers))
	for _, header := range headers {
		name := strings.ToValidUTF8(header.Name, "\uFFFD")
		fields = append(fields, wit.Tuple2[string, []uint8]{F0: name, F1: []byte(header.Value)})
	}
	return fields
}
