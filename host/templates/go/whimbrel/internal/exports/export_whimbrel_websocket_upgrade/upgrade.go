// Package export_whimbrel_websocket_upgrade is the export `upgrade`.
package export_whimbrel_websocket_upgrade

import (
	"whimbrel/internal/hooks"
	types "whimbrel/internal/imports/whimbrel_websocket_types"
	upgrades "whimbrel/internal/imports/whimbrel_websocket_upgrade"
	wit "whimbrel/internal/wit/types"
)

// Upgrade answers a handshake.
func Upgrade(request types.Request, originAllowed bool) wit.Result[upgrades.Acceptance, upgrades.Refusal] {
	acceptance, refusal := hooks.Upgrade(request, originAllowed)
	if refusal != nil {
		return wit.Err[upgrades.Acceptance, upgrades.Refusal](*refusal)
	}
	return wit.Ok[upgrades.Acceptance, upgrades.Refusal](*acceptance)
}
