// Package hooks leads from the contract's functions to the SDK, which sets these variables.
package hooks

import (
	types "whimbrel/internal/imports/whimbrel_websocket_types"
	upgrades "whimbrel/internal/imports/whimbrel_websocket_upgrade"
)

// The events of a connection.
var (
	Open      func(connection uint32, request types.Request) error
	OnMessage func(connection uint32, message types.Message) error
	OnClose   func(connection uint32, info types.CloseInfo)
	OnPing    func(connection uint32, data []byte)
	OnPong    func(connection uint32, data []byte)
)

// Upgrade is the answer to a handshake: one of the two.
var Upgrade func(request types.Request, originAllowed bool) (*upgrades.Acceptance, *upgrades.Refusal)

// Scopes for which the guest was written.
var Scopes func() []uint8
