package millstream

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// Any error that an operator returns for a record is the reason why the record fails: what it emitted and what it
// changed in the state is undone, and the step's on-error says what becomes of it. The reason is the error's text, so
// that fmt.Errorf("amount: %w", err) says what was going on.

var (
	// ErrNoKey is why a record without a key fails that touches state.
	ErrNoKey = errors.New("this record has no key, and state is kept by key")
	// ErrNoValue is why a tombstone fails where a value is wanted.
	ErrNoValue = errors.New("this record has no value: it is a tombstone")

	errNoKeyForTimer = errors.New("this record has no key, and timers belong to a key")
	errTimerTime     = errors.New("a timer cannot be set for the smallest time there is")
	errNoOnTimer     = errors.New("timers are for operators that have a method OnTimer")
	errOutside       = errors.New("state is reached outside of a batch")
)

// BatchError fails the batch in hand and not only a record: for what is no record's fault, such as a store that does
// not answer. The host then tries smaller batches, down to single records.
func BatchError(err error) error { return &batchError{err} }

type batchError struct{ err error }

func (e *batchError) Error() string { return e.err.Error() }
func (e *batchError) Unwrap() error { return e.err }

// ConcernsBatch says whether an error is one of [BatchError], or wraps one.
func ConcernsBatch(err error) bool {
	var batch *batchError
	return errors.As(err, &batch)
}

// stackBytes bounds how much of a stack goes into a failure.
const stackBytes = 4 << 10

// panicked is the reason of a record whose processing has panicked: what was said, and where.
func panicked(said any) error {
	return &panicError{fmt.Sprintf("panic: %v\n%s", said, stack(string(debug.Stack())))}
}

type panicError struct{ text string }

func (e *panicError) Error() string { return e.text }

// stack leaves of a stack what the operator has called: neither what recovers nor what runs it.
func stack(trace string) string {
	if _, after, found := strings.Cut(trace, "\npanic("); found {
		// The frame of panic itself has two lines.
		for range 2 {
			_, after, _ = strings.Cut(after, "\n")
		}
		trace = after
	}
	if at := strings.Index(trace, "millstream.dev/millstream.(*instance)."); at > 0 {
		trace = trace[:at]
	}
	trace = strings.TrimRight(trace, "\n")
	if len(trace) > stackBytes {
		trace = trace[:stackBytes] + ".."
	}
	return trace
}
