//go:build !wasm

package millstreamtest

import (
	"encoding/binary"
	"slices"
	"strings"

	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
)

// AdvanceWatermark lets event time reach watermarkMs, and fires the timers that are due then, in order of time, those
// included that are set meanwhile. In the outcome, sources and failures count the timers of each moment.
func (h *Harness) AdvanceWatermark(watermarkMs int64) Outcome {
	h.t.Helper()
	h.watermarkMs = max(h.watermarkMs, watermarkMs)
	return h.fire(contract.EventTime, watermarkMs)
}

// AdvanceNow lets processing time reach nowMs, and fires the timers that are due then.
func (h *Harness) AdvanceNow(nowMs int64) Outcome {
	h.t.Helper()
	h.host.nowMs = max(h.host.nowMs, nowMs)
	return h.fire(contract.ProcessingTime, nowMs)
}

func (h *Harness) fire(domain contract.TimeDomain, upToMs int64) Outcome {
	h.t.Helper()
	host.Current = h.host
	all := Outcome{t: h.t}
	for {
		timeMs, due := h.takeNext(domain, upToMs)
		if len(due) == 0 {
			return all
		}
		var records []Record
		var names [][]byte
		var times []byte
		for _, timer := range due {
			records = append(records, Record{Key: []byte(timer.key), TimestampMs: timeMs})
			names = append(names, []byte(timer.name))
			times = binary.LittleEndian.AppendUint64(times, uint64(timeMs))
		}
		input := h.input(records)
		output, err := h.program.OnTimer(&contract.FiredTimers{
			Domain: domain, Keys: input.Batch.Keys, Names: columnOf(names...), Times: times, Groups: input.Groups,
			GroupKeys: input.GroupKeys, States: input.States, Watermark: input.Watermark,
		})
		if err != nil {
			h.t.Fatalf("the timers fail: %v", err)
		}
		outcome, err := h.take(&input.GroupKeys, &output, nil, nil)
		if err != nil {
			h.t.Fatalf("the timers fail: %v", err)
		}
		all.Emitted = append(all.Emitted, outcome.Emitted...)
		all.Failed = append(all.Failed, outcome.Failed...)
	}
}

// takeNext takes out the timers of the earliest moment that is due.
func (h *Harness) takeNext(domain contract.TimeDomain, upToMs int64) (timeMs int64, due []timer) {
	for at, setMs := range h.timers {
		switch {
		case at.domain != domain || setMs > upToMs:
		case len(due) == 0 || setMs < timeMs:
			timeMs, due = setMs, []timer{at}
		case setMs == timeMs:
			due = append(due, at)
		}
	}
	for _, at := range due {
		delete(h.timers, at)
	}
	slices.SortFunc(due, func(a, b timer) int { return strings.Compare(a.key+"\x00"+a.name, b.key+"\x00"+b.name) })
	return timeMs, due
}

// SetNow sets processing time, milliseconds, and fires nothing.
func (h *Harness) SetNow(nowMs int64) { h.host.nowMs = nowMs }

// SetSeed starts the random numbers again from a seed.
func (h *Harness) SetSeed(seed uint64) { h.host.seed = seed }

// SetLogLevel sets the lowest level that is kept: 0 is trace, 4 is error. All are kept at first.
func (h *Harness) SetLogLevel(level uint8) { h.host.level = host.Level(level) }

// Log is what was logged so far, a line each: "info: a user is new user=ada".
func (h *Harness) Log() []string { return h.host.lines }

// Counter is the sum of a counter so far.
func (h *Harness) Counter(name string) uint64 { return h.host.counters[name] }

// Gauge is the last value of a gauge.
func (h *Harness) Gauge(name string) float64 { return h.host.gauges[name] }

// Histogram is what a histogram was given so far.
func (h *Harness) Histogram(name string) []float64 { return h.host.histograms[name] }

// StateCalls counts the calls to the host for state so far: what is prefetched needs none.
func (h *Harness) StateCalls() int { return h.host.calls }

// Stored is what is stored of a value state for a key; nil: nothing. For a map, see [Harness.StoredField].
func (h *Harness) Stored(state, key string) []byte { return h.host.live(state, key, "") }

// StoredField is what is stored of a map state for a key and the bytes of a field; nil: nothing.
func (h *Harness) StoredField(state, key, field string) []byte { return h.host.live(state, key, field) }

// Store stores the value of a value state for a key, as an operator in any language would have.
func (h *Harness) Store(state, key string, value []byte) {
	h.t.Helper()
	for at := range h.description.States {
		if declared := &h.description.States[at]; declared.Name == state {
			h.host.write(declared, key, "", value)
			return
		}
	}
	h.t.Fatalf("no state %s is declared", state)
}

// AdoptState takes over the state and timers that another operator has built up, as a swap to this one does.
func (h *Harness) AdoptState(previous *Harness) *Harness {
	h.host.entries, h.timers = previous.host.entries, previous.timers
	return h
}
