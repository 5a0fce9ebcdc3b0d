//go:build wasm

package whimbrel

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Go's collector must not start by itself in a component. It starts when something is allocated, also what the host has just
// received for the guest, and reads the clock: calling the host at that moment is a trap ("cannot leave component
// instance", https://github.com/bytecodealliance/componentize-go/issues/77). So it is switched off, and run here: when an
// event has ended, and when the guest calls the host. A handler that makes more garbage than fits into its memory between
// two such calls calls runtime.GC itself.

const (
	// Below this nothing is collected.
	smallHeap = 4 << 20
	// After so many events, or so many bytes of messages, the heap is looked at.
	mostEvents = 16
	mostBytes  = 256 << 10
)

var (
	events, bytes int
	// How large the heap may grow: as with GOGC=100, to twice what was alive.
	goal uint64 = smallHeap

	heap = []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
)

func init() { debug.SetGCPercent(-1) }

// Count the bytes of a message, coming or going.
func spend(size int) {
	bytes += size
	if bytes >= mostBytes {
		look()
	}
}

// An event has ended.
func collect() {
	events++
	if events >= mostEvents || bytes >= mostBytes {
		look()
	}
}

func look() {
	events, bytes = 0, 0
	if size() < goal {
		return
	}
	runtime.GC()
	goal = max(smallHeap, 2*size())
}

func size() uint64 {
	metrics.Read(heap)
	return heap[0].Value.Uint64()
}
