// Package window has windows and panes, which the parts of window steps are about.
package window

import (
	"errors"
	"math"
	"unicode/utf8"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
)

// Window is a window in event time, from its start to its end, the end not included.
type Window struct {
	// StartMs is its first millisecond; the smallest int64: it has always been there.
	StartMs int64
	// EndMs is the millisecond after its last one; the largest int64: it has no end.
	EndMs int64
}

// Global is the window of everything.
var Global = Window{math.MinInt64, math.MaxInt64}

// LastMs is its last millisecond: the watermark that it is complete with.
func (w Window) LastMs() int64 {
	if w.EndMs == math.MaxInt64 || w.EndMs == math.MinInt64 {
		return w.EndMs
	}
	return w.EndMs - 1
}

// Column is windows as they cross from and to the host: 64-bit times, little-endian.
type Column struct{ Starts, Ends []byte }

// ColumnOf makes a column.
func ColumnOf(windows []Window) Column {
	starts, ends := make([]int64, len(windows)), make([]int64, len(windows))
	for at, window := range windows {
		starts[at], ends[at] = window.StartMs, window.EndMs
	}
	return Column{millstream.BytesOf(starts), millstream.BytesOf(ends)}
}

// Read reads a column.
func (c Column) Read() []Window {
	starts, ends := millstream.Numbers[int64](c.Starts), millstream.Numbers[int64](c.Ends)
	windows := make([]Window, min(len(starts), len(ends)))
	for at := range windows {
		windows[at] = Window{starts[at], ends[at]}
	}
	return windows
}

// Pane is a window of a key.
type Pane struct {
	// Key is borrowed.
	Key []byte
	// Window is the window.
	Window Window
}

// KeyText is the key as text.
func (p Pane) KeyText() (string, error) {
	if !utf8.Valid(p.Key) {
		return "", errors.New("the key is not UTF-8")
	}
	return string(p.Key), nil
}

// Panes reads panes.
func Panes(keys *contract.BytesColumn, windows Column) []Pane {
	column, all := millstream.ColumnOf(keys), windows.Read()
	panes := make([]Pane, min(column.Len(), len(all)))
	for at := range panes {
		panes[at] = Pane{column.At(at), all[at]}
	}
	return panes
}
