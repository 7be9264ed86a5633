//go:build !wasm

// Package millstreamtest tests operators with go test: natively, without WebAssembly and without a host.
//
//	func TestGoal(t *testing.T) {
//		visits := millstreamtest.New(t, Program, `{"goal": 2}`)
//		visits.Send(millstreamtest.Text("ada", "/"))
//		if got := visits.Send(millstreamtest.Text("ada", "/")).Of("goal"); len(got) != 1 {
//			t.Errorf("the goal is told %d times", len(got))
//		}
//	}
//
// A [Harness] does what the host does around an operator: it groups records by key, passes and stores state with its
// time to live, parses typed fields and writes them, fires timers, and hands back what was emitted. Time and
// randomness are what the test sets. Tests with a harness do not run in parallel with each other.
package millstreamtest

import (
	"encoding/binary"
	"log/slog"
	"math"
	"slices"
	"testing"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
)

// Harness is an operator under test, with the state that it has built up.
type Harness struct {
	t           testing.TB
	program     *millstream.Program
	description contract.Description
	host        *simulated
	timers      map[timer]int64
	watermarkMs int64
}

type timer struct {
	domain    contract.TimeDomain
	key, name string
}

// New configures an operator by JSON text. The test fails if the operator refuses it: see [Refusal].
func New(t testing.TB, program *millstream.Program, config string) *Harness {
	t.Helper()
	description := program.Describe()
	h := &Harness{
		t: t, program: program, description: description, host: newSimulated(description.States),
		timers: map[timer]int64{}, watermarkMs: math.MinInt64,
	}
	before := slog.Default()
	slog.SetDefault(slog.New(millstream.LogHandler()))
	t.Cleanup(func() { slog.SetDefault(before) })
	h.Configure(config)
	return h
}

// Refusal is why an operator refuses a configuration; empty: it takes it.
func Refusal(program *millstream.Program, config string) string {
	if err := program.Configure(config); err != nil {
		return err.Error()
	}
	return ""
}

// Configure replaces the operator by one with another configuration and keeps the state.
func (h *Harness) Configure(config string) {
	h.t.Helper()
	host.Current = h.host
	if err := h.program.Configure(config); err != nil {
		h.t.Fatalf("the operator refuses its configuration: %v", err)
	}
}

// Send processes records as one batch. The test fails if the batch fails as a whole.
func (h *Harness) Send(records ...Record) Outcome {
	h.t.Helper()
	outcome, err := h.TrySend(records...)
	if err != nil {
		h.t.Fatalf("the batch fails: %v", err)
	}
	return outcome
}

// TrySend processes records as one batch, and returns why it fails as a whole, if it does.
func (h *Harness) TrySend(records ...Record) (Outcome, error) {
	host.Current = h.host
	var columns []contract.TypedColumn
	early := map[int]string{}
	kept, places := records, []int{}
	if len(h.description.Reads) > 0 {
		columns, early = readTyped(records, h.description.Reads)
		kept = nil
	}
	for row, record := range records {
		if _, failed := early[row]; !failed {
			places = append(places, row)
			if len(h.description.Reads) > 0 {
				kept = append(kept, record)
			}
		}
	}
	input := h.input(kept)
	if len(h.description.Reads) > 0 {
		input.Batch.Columns = columns
		if !h.description.RawValues {
			input.Batch.Values = contract.BytesColumn{}
		}
	}
	output, err := h.program.Process(&input)
	if err != nil {
		return Outcome{t: h.t}, err
	}
	return h.take(&input.GroupKeys, &output, places, early)
}

// input is what the host passes for records.
func (h *Harness) input(records []Record) contract.BatchInput {
	input := contract.BatchInput{Batch: batchOf(records), Watermark: h.watermarkMs}
	prefetched := false
	for _, state := range h.description.States {
		prefetched = prefetched || state.Prefetch
	}
	if !prefetched {
		return input
	}
	var keys [][]byte
	for _, record := range records {
		group := uint32(contract.NoGroup)
		if record.Key != nil {
			at := slices.IndexFunc(keys, func(key []byte) bool { return string(key) == string(record.Key) })
			if at < 0 {
				at, keys = len(keys), append(keys, record.Key)
			}
			group = uint32(at)
		}
		input.Groups = binary.LittleEndian.AppendUint32(input.Groups, group)
	}
	input.GroupKeys = columnOf(keys...)
	for at := range h.description.States {
		if state := &h.description.States[at]; state.Prefetch {
			input.States = append(input.States, h.host.read(state, &input.GroupKeys))
		}
	}
	return input
}

// take stores what a batch changed, and copies what it emitted.
func (h *Harness) take(
	keys *contract.BytesColumn, output *contract.BatchOutput, places []int, early map[int]string,
) (Outcome, error) {
	outcome := Outcome{t: h.t}
	var prefetched []*contract.StateDeclaration
	for at := range h.description.States {
		if state := &h.description.States[at]; state.Prefetch {
			prefetched = append(prefetched, state)
		}
	}
	groups := rowsOf(keys)
	for _, change := range output.Changes {
		for row, value := range rowsOf(&change.Values) {
			key := groups[u32(change.Groups, row)]
			h.host.write(prefetched[change.State], string(key), "", value)
		}
	}
	for _, changes := range output.Timers {
		names := rowsOf(&changes.Names)
		for row, key := range rowsOf(&changes.Keys) {
			at := timer{changes.Domain, string(key), string(names[row])}
			h.timers[at] = i64(changes.Times, row)
			if h.timers[at] == contract.UnknownTime {
				delete(h.timers, at)
			}
		}
	}
	for at := range output.Outputs {
		records, err := recordsOf(&output.Outputs[at], h.description.Outputs[output.Outputs[at].Output], h.description.Writes)
		if err != nil {
			return outcome, err
		}
		for row := range records {
			if places != nil {
				records[row].Source = places[records[row].Source]
			}
		}
		outcome.Emitted = append(outcome.Emitted, records...)
	}
	for row, reason := range early {
		outcome.Failed = append(outcome.Failed, Failure{row, reason})
	}
	for _, failure := range failuresOf(&output.Failures) {
		if places != nil {
			failure.Record = places[failure.Record]
		}
		outcome.Failed = append(outcome.Failed, failure)
	}
	slices.SortFunc(outcome.Failed, func(a, b Failure) int { return a.Record - b.Record })
	return outcome, nil
}
