// Package export_whimbrel_websocket_fit is the export `fit`.
package export_whimbrel_websocket_fit

import "whimbrel/internal/hooks"

// Scopes for which the guest was written.
func Scopes() []uint8 { return hooks.Scopes() }
