package millstream

import (
	"errors"
	"unicode/utf8"

	"millstream.dev/millstream/contract"
)

// TimeDomain is a clock that timers follow: [EventTime] or [ProcessingTime].
type TimeDomain = contract.TimeDomain

// The clocks that timers follow.
const (
	EventTime      = contract.EventTime
	ProcessingTime = contract.ProcessingTime
)

// Timer is a timer that fired. Byte slices that it returns are borrowed from the batch.
type Timer struct {
	frame  *frame
	names  *column
	domain TimeDomain
	row    int
}

// Name returns its name.
func (t Timer) Name() string { return string(t.names.get(t.row)) }

// Key returns the key that it was set for.
func (t Timer) Key() []byte { return t.frame.keys.get(t.row) }

// KeyText returns the key as text.
func (t Timer) KeyText() (string, error) {
	if key := t.Key(); utf8.Valid(key) {
		return string(key), nil
	}
	return "", errors.New("the key is not UTF-8")
}

// TimeMs returns the time that it was set for, milliseconds. It fires then or later.
func (t Timer) TimeMs() int64 { return t.frame.times[t.row] }

// Domain returns the clock that it followed.
func (t Timer) Domain() TimeDomain { return t.domain }

// timerBuilder gathers timers of one clock.
type timerBuilder struct {
	keys, names columnBuilder
	times       []int64
	// kept is the number of rows that stand, whatever becomes of the record in hand.
	kept int
}

func (b *timerBuilder) reset() {
	b.keys.reset()
	b.names.reset()
	b.times, b.kept = b.times[:0], 0
}

func (b *timerBuilder) push(f *frame, name string, timeMs int64) error {
	key := f.keys.get(f.row)
	if key == nil {
		return errNoKeyForTimer
	}
	b.keys.push(key)
	b.names.pushText(name)
	b.times = append(b.times, timeMs)
	return nil
}

func (b *timerBuilder) keep() { b.kept = len(b.times) }

func (b *timerBuilder) undo() {
	b.keys.truncate(b.kept)
	b.names.truncate(b.kept)
	b.times = b.times[:b.kept]
}

func (b *timerBuilder) finish(domain contract.TimeDomain) contract.TimerChanges {
	return contract.TimerChanges{
		Domain: domain, Keys: b.keys.finish(), Names: b.names.finish(), Times: bytesOf(b.times),
	}
}
