//go:build !wasm

package millstreamtest

import (
	"encoding/binary"
	"slices"
	"testing"

	"millstream.dev/millstream/aggregator"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
	"millstream.dev/millstream/window"
)

// Aggregator is an aggregator under test, with an accumulator for each key, stored as the host stores it.
type Aggregator struct {
	t            testing.TB
	program      *aggregator.Program
	accumulators map[string][]byte
}

// NewAggregator configures an aggregator by JSON text. The test fails if it refuses it.
func NewAggregator(t testing.TB, program *aggregator.Program, config string) *Aggregator {
	t.Helper()
	host.Current = newSimulated(nil)
	if err := program.Configure(config); err != nil {
		t.Fatalf("the aggregator refuses its configuration: %v", err)
	}
	return &Aggregator{t, program, map[string][]byte{}}
}

// Add adds records, in one batch, each to the accumulator of its key, and returns those that failed.
func (a *Aggregator) Add(records ...Record) []Failure {
	a.t.Helper()
	return a.change(records, nil, a.program.Add)
}

// AddEach adds records, in one batch, each to the accumulators of the keys beside it: as the host does with windows
// that overlap.
func (a *Aggregator) AddEach(into [][]string, records ...Record) []Failure {
	a.t.Helper()
	return a.change(records, into, a.program.Add)
}

// Retract takes records out of the accumulators of their keys, and returns those that failed.
func (a *Aggregator) Retract(records ...Record) []Failure {
	a.t.Helper()
	return a.change(records, nil, a.program.Retract)
}

func (a *Aggregator) change(
	records []Record, into [][]string, call func(*aggregator.Additions, *contract.BytesColumn) (aggregator.Added, error),
) []Failure {
	a.t.Helper()
	additions := aggregator.Additions{Batch: batchOf(records)}
	var keys []string
	for row, record := range records {
		targets := []string{string(record.Key)}
		if into != nil {
			targets = into[row]
		}
		for _, key := range targets {
			target := slices.Index(keys, key)
			if target < 0 {
				target, keys = len(keys), append(keys, key)
			}
			additions.Rows = binary.LittleEndian.AppendUint32(additions.Rows, uint32(row))
			additions.Targets = binary.LittleEndian.AppendUint32(additions.Targets, uint32(target))
		}
	}
	var stored [][]byte
	for _, key := range keys {
		stored = append(stored, a.accumulators[key])
	}
	column := columnOf(stored...)
	added, err := call(&additions, &column)
	if err != nil {
		a.t.Fatalf("the batch fails: %v", err)
	}
	a.store(keys, &added.Accumulators)
	return failuresOf(&added.Failures)
}

// Merge merges the accumulators of keys into the one of another, in this order, and forgets them.
func (a *Aggregator) Merge(into string, from ...string) {
	a.t.Helper()
	var stored [][]byte
	var groups []byte
	for _, key := range append([]string{into}, from...) {
		if a.accumulators[key] != nil {
			stored, groups = append(stored, a.accumulators[key]), append(groups, 0, 0, 0, 0)
		}
		delete(a.accumulators, key)
	}
	column := columnOf(stored...)
	merged, err := a.program.Merge(&column, groups, 1)
	if err != nil {
		a.t.Fatalf("the accumulators are not merged: %v", err)
	}
	a.store([]string{into}, &merged)
}

// Result is the record that tells what the accumulator of a key has, for a window that fires.
func (a *Aggregator) Result(key string, of window.Window) Record {
	a.t.Helper()
	column, keys := columnOf(a.accumulators[key]), columnOf([]byte(key))
	values, err := a.program.Results(&column, window.Panes(&keys, window.ColumnOf([]window.Window{of})))
	if err != nil {
		a.t.Fatalf("there is no result: %v", err)
	}
	return Record{Output: "main", Key: []byte(key), Value: rowsOf(&values)[0], TimestampMs: of.LastMs()}
}

// Stored is the accumulator of a key as it is stored; nil: nothing was added to it.
func (a *Aggregator) Stored(key string) []byte { return a.accumulators[key] }

func (a *Aggregator) store(keys []string, accumulators *contract.BytesColumn) {
	for at, bytes := range rowsOf(accumulators) {
		if bytes != nil {
			a.accumulators[keys[at]] = bytes
		}
	}
}
