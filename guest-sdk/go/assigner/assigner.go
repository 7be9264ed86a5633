// Package assigner is for window assigners: the world millstream:window/window-assigner, a window's `assigner:`.
package assigner

import (
	"fmt"
	"slices"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/window"
)

// Assigner says which windows a record is in: it puts each. A record that is in none is dropped. An error, or a panic,
// is why the record fails; it then is in no window.
//
// It must answer by the record and its configuration: a record that is read again after a crash has to be in the same
// windows.
type Assigner interface {
	Assign(record millstream.Record, windows *Windows) error
}

// Windows are those that the record in hand is in.
type Windows struct {
	nowMs int64
	all   []window.Window
	// first is where those of the record in hand begin.
	first int
}

// Put says that the record is in a window, which must start before it ends. To say so again changes nothing.
func (w *Windows) Put(in window.Window) error {
	if in.StartMs >= in.EndMs {
		return fmt.Errorf("a window that starts at %d and ends at %d", in.StartMs, in.EndMs)
	}
	if !slices.Contains(w.all[w.first:], in) {
		w.all = append(w.all, in)
	}
	return nil
}

// NowMs is processing time, milliseconds since 1970-01-01T00:00:00Z, as the host gives it.
func (w *Windows) NowMs() int64 { return w.nowMs }

// Option says something of an assigner.
type Option func(*Program)

// Merges declares that windows of one key that overlap or touch become one, as sessions do.
func Merges() Option { return func(p *Program) { p.description.Merges = true } }

// ConfigSchema publishes a JSON Schema of the configuration.
func ConfigSchema(schema string) Option {
	return func(p *Program) { p.description.ConfigSchema = schema }
}

// Description is what an assigner declares.
type Description struct {
	// Merges: windows of one key that overlap or touch become one.
	Merges bool
	// ConfigSchema is a JSON Schema of the configuration; empty: none.
	ConfigSchema string
}

// Assigned are the windows of records.
type Assigned struct {
	// Rows are indices of records, 32 bits, one for each window that a record is in.
	Rows []byte
	// Windows are the windows.
	Windows window.Column
	// Failures of records.
	Failures contract.FailureColumn
}

// Program is an assigner, ready to be exported from a component or to be tested.
type Program struct {
	millstream.Part[Assigner]
	description Description
	records     millstream.Records
	failures    millstream.Failures
	windows     Windows
	rows        []uint32
}

// Export exports an assigner. create makes it from the window's config, which is read into C strictly by
// encoding/json; its error refuses the pipeline.
func Export[C any, A Assigner](create func(config C) (A, error), options ...Option) *Program {
	program := &Program{}
	for _, option := range options {
		option(program)
	}
	program.Part = millstream.PartOf(create, func(made A) Assigner { return made })
	export(program)
	return program
}

// Describe is what the assigner declares.
func (p *Program) Describe() Description { return p.description }

// Assign says which windows records are in. What it returns is good until the next call.
func (p *Program) Assign(batch *contract.RecordBatch, nowMs int64) (Assigned, error) {
	return millstream.Ask(&p.Part, func(of Assigner) (Assigned, error) { return p.assignAll(of, batch, nowMs) })
}

func (p *Program) assignAll(of Assigner, batch *contract.RecordBatch, nowMs int64) (Assigned, error) {
	p.records.Begin(batch)
	p.failures.Reset()
	p.rows = p.rows[:0]
	windows := &p.windows
	windows.nowMs, windows.all = nowMs, windows.all[:0]
	for row := range p.records.Len() {
		windows.first = len(windows.all)
		if err := p.assign(of, row); err != nil {
			windows.all = windows.all[:windows.first]
			if err := p.failures.Add(uint32(row), err); err != nil {
				return Assigned{}, err
			}
		}
		for range windows.all[windows.first:] {
			p.rows = append(p.rows, uint32(row))
		}
	}
	return Assigned{millstream.BytesOf(p.rows), window.ColumnOf(windows.all), p.failures.Finish()}, nil
}

func (p *Program) assign(of Assigner, row int) (err error) {
	defer millstream.Recover(&err)
	return of.Assign(p.records.At(row), &p.windows)
}
