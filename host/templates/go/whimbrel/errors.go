package whimbrel

import (
	"errors"
	"fmt"
)

// What the host answers when it refuses a call, for errors.Is. Nothing was queued or changed.
var (
	// ErrClosed: the connection is closing or closed.
	ErrClosed = errors.New("the connection is closed")
	// ErrUnknownConnection: no such connection belongs to this instance.
	ErrUnknownConnection = errors.New("the connection is gone, or another instance's")
	// ErrTooLarge: HostError.Bytes are allowed.
	ErrTooLarge = errors.New("too large")
	// ErrBufferFull: HostError.Bytes wait for a peer that reads too slowly.
	ErrBufferFull = errors.New("too much waits for the peer, which reads too slowly")
	// ErrInvalid: a bad argument, HostError.Detail says which.
	ErrInvalid = errors.New("invalid")
	// ErrDenied: a limit or a missing grant, HostError.Detail says which.
	ErrDenied = errors.New("denied")
)

// HostError is one of the above with what the host said of it, for errors.As.
type HostError struct {
	Kind   error
	Bytes  uint32
	Detail string
}

// Error says all of it.
func (failure *HostError) Error() string {
	switch failure.Kind {
	case ErrTooLarge:
		return fmt.Sprintf("%v: %d bytes are allowed", failure.Kind, failure.Bytes)
	case ErrBufferFull:
		return fmt.Sprintf("%v: %d bytes", failure.Kind, failure.Bytes)
	}
	return fmt.Sprintf("%v: %s", failure.Kind, failure.Detail)
}

// Unwrap is the kind.
func (failure *HostError) Unwrap() error { return failure.Kind }

func invalid(format string, arguments ...any) error {
	return &HostError{Kind: ErrInvalid, Detail: fmt.Sprintf(format, arguments...)}
}
