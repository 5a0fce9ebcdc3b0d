// Package export_whimbrel_websocket_handler is the export `handler`.
package export_whimbrel_websocket_handler

import (
	"strings"

	"whimbrel/internal/hooks"
	types "whimbrel/internal/imports/whimbrel_websocket_types"
	wit "whimbrel/internal/wit/types"
)

type result = wit.Result[wit.Unit, string]

// Open a connection.
func Open(connection uint32, request types.Request) result {
	return ended(hooks.Open(connection, request))
}

// OnMessage takes a message.
func OnMessage(connection uint32, message types.Message) result {
	return ended(hooks.OnMessage(connection, message))
}

// OnClose ends a connection.
func OnClose(connection uint32, info types.CloseInfo) { hooks.OnClose(connection, info) }

// OnPing takes a ping.
func OnPing(connection uint32, data []uint8) { hooks.OnPing(connection, data) }

// OnPong takes a pong.
func OnPong(connection uint32, data []uint8) { hooks.OnPong(connection, data) }

func ended(err error) result {
	if err != nil {
		// The component model has no strings that are not UTF-8.
		return wit.Err[wit.Unit, string](strings.ToValidUTF8(err.Error(), "\uFFFD"))
	}
	return wit.Ok[wit.Unit, string](wit.Unit{})
}
