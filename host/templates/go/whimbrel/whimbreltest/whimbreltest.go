// Package whimbreltest tests handlers without a host: a client whose peer is the handler itself.
//
//	client, err := whimbreltest.Connect(whimbrel.Request{Path: "/echo"})
//	err = client.Send(whimbrel.Text("hello"))
//	client.Received() // hello
package whimbreltest

import (
	"fmt"

	"whimbrel"
	"whimbrel/internal/fakehost"
	"whimbrel/internal/hooks"
	types "whimbrel/internal/imports/whimbrel_websocket_types"
	wit "whimbrel/internal/wit/types"
)

// Client is one connection.
type Client struct {
	id   uint32
	peer *fakehost.Peer
	// Headers of the response.
	Headers []whimbrel.Header
}

var last uint32

// Connect opens a connection to the guest that was exported, from an allowed origin unless the request has one. The error
// is a *whimbrel.Refusal, or what Guest.Open returned.
func Connect(request whimbrel.Request) (*Client, error) {
	raw := rawOf(request)
	acceptance, refusal := hooks.Upgrade(raw, request.Origin == "")
	if refusal != nil {
		return nil, &whimbrel.Refusal{Status: refusal.Status, Headers: headers(refusal.Headers), Body: string(refusal.Body)}
	}
	last++
	client := &Client{id: last, Headers: headers(acceptance.Headers)}
	client.peer = &fakehost.Peer{Subprotocol: acceptance.Subprotocol.SomeOr(""), Topics: map[string]bool{}}
	fakehost.Peers[client.id] = client.peer
	if err := hooks.Open(client.id, raw); err != nil {
		delete(fakehost.Peers, client.id)
		return nil, err
	}
	return client, nil
}

// Send a message. The error is what the handler returned: the host would have closed with 1011.
func (client *Client) Send(message whimbrel.Message) error {
	if message.IsText() {
		return hooks.OnMessage(client.id, types.MakeMessageText(message.Text()))
	}
	return hooks.OnMessage(client.id, types.MakeMessageBinary(message.Bytes()))
}

// Ping the handler.
func (client *Client) Ping(data []byte) { hooks.OnPing(client.id, data) }

// Pong to the handler.
func (client *Client) Pong(data []byte) { hooks.OnPong(client.id, data) }

// Close the connection with this code and reason; code 0 for one that is lost.
func (client *Client) Close(code uint16, reason string) {
	info := types.CloseInfo{Cause: types.CloseCause_Network}
	if code != 0 {
		info = types.CloseInfo{Code: wit.Some(code), Reason: wit.Some(reason), Cause: types.CloseCause_Peer}
	}
	client.peer.IsClosed = true
	hooks.OnClose(client.id, info)
	delete(fakehost.Peers, client.id)
}

// Received are the messages from the handler until now.
func (client *Client) Received() []whimbrel.Message {
	var all []whimbrel.Message
	for _, message := range client.peer.Received {
		if message.IsBinary {
			all = append(all, whimbrel.Binary(message.Data))
		} else {
			all = append(all, whimbrel.Text(message.Text))
		}
	}
	return all
}

// Pings from the handler until now.
func (client *Client) Pings() [][]byte { return client.peer.Pings }

// Closed is the code and reason with which the handler has closed; code 0 without one. False: it has not.
func (client *Client) Closed() (code uint16, reason string, isClosed bool) {
	return client.peer.Code, client.peer.Reason, client.peer.IsClosed
}

// Subprotocol that the guest has chosen.
func (client *Client) Subprotocol() string { return client.peer.Subprotocol }

func rawOf(request whimbrel.Request) types.Request {
	raw := types.Request{Path: request.Path, Host: request.Host, Subprotocols: request.Subprotocols, Peer: request.Peer,
		Secure: request.IsSecure}
	if raw.Peer == "" {
		raw.Peer = fmt.Sprintf("127.0.0.1:%d", 40000+last)
	}
	if request.HasQuery || request.Query != "" {
		raw.Query = wit.Some(request.Query)
	}
	if request.Origin != "" {
		raw.Origin = wit.Some(request.Origin)
	}
	for _, arg := range request.Args {
		raw.Args = append(raw.Args, types.Arg{Name: option(arg.Name, arg.Name != ""), Value: option(arg.Value, arg.IsGiven)})
	}
	for _, header := range request.Headers {
		field := wit.Tuple2[string, []uint8]{F0: header.Name, F1: []byte(header.Value)}
		raw.Headers = append(raw.Headers, field)
	}
	return raw
}

func option(value string, isSome bool) wit.Option[string] {
	if isSome {
		return wit.Some(value)
	}
	return wit.None[string]()
}

func headers(fields []wit.Tuple2[string, []uint8]) []whimbrel.Header {
	var headers []whimbrel.Header
	for _, field := range fields {
		headers = append(headers, whimbrel.Header{Name: field.F0, Value: string(field.F1)})
	}
	return headers
}
