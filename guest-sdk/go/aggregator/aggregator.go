// Package aggregator is for aggregators of windows: the world millstream:window/aggregator, a step's `aggregator:`.
//
//	type Sums struct{}
//
//	func (Sums) Add(sum *int64, record millstream.Record) error { .. }
//	func (Sums) Merge(into, other *int64) error                 { *into += *other; return nil }
//	func (Sums) Result(sum *int64, pane window.Pane) (millstream.Output, error) {
//		return millstream.JSON(*sum), nil
//	}
//
//	var Program = aggregator.Export(func(millstream.NoConfig) (Sums, error) { return Sums{}, nil })
//
//	func main() {}
package aggregator

import (
	"reflect"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/window"
)

// Aggregator says what becomes of the records of a window: they are added to an accumulator one after another, and the
// result is what the accumulator says when the window fires.
//
// The host keeps an accumulator for each key and slice of time, and merges those of the slices that a window is made
// of: it must not matter which records were added to one accumulator, and which to another that was then merged into
// it. A is stored as states are: see [millstream.StateAppender].
type Aggregator[A any] interface {
	// Add adds a record. An error, or a panic, is why the record fails; it then counts in none of its accumulators.
	Add(accumulator *A, record millstream.Record) error
	// Merge adds everything that was added to another accumulator. An error stops the pipeline.
	Merge(into, other *A) error
	// Result is the value of the record that tells what an accumulator has. An error stops the pipeline.
	Result(accumulator *A, pane window.Pane) (millstream.Output, error)
}

// Retractor is an [Aggregator] that can take records out again.
type Retractor[A any] interface {
	Retract(accumulator *A, record millstream.Record) error
}

// Creator is an [Aggregator] whose accumulators do not begin as the zero value.
type Creator[A any] interface {
	Create() A
}

// Option says something of an aggregator.
type Option func(*Program)

// Version gives the version of the accumulators' format: raise it where stored ones no longer decode. It is 1 unless
// given.
func Version(version uint32) Option {
	return func(p *Program) { p.description.SchemaVersion = version }
}

// ConfigSchema publishes a JSON Schema of the configuration.
func ConfigSchema(schema string) Option {
	return func(p *Program) { p.description.ConfigSchema = schema }
}

// Description is what an aggregator declares.
type Description struct {
	// SchemaVersion is the version of the accumulators' format.
	SchemaVersion uint32
	// Retracts: records can be taken out again.
	Retracts bool
	// ConfigSchema is a JSON Schema of the configuration; empty: none.
	ConfigSchema string
}

// Additions are records to add or to take out.
type Additions struct {
	// Batch has the records.
	Batch contract.RecordBatch
	// Rows are their indices in the batch, 32 bits; Targets for each the index of its accumulator.
	Rows, Targets []byte
}

// Added is what came of additions.
type Added struct {
	// Accumulators as they are now.
	Accumulators contract.BytesColumn
	// Failures of records.
	Failures contract.FailureColumn
}

// Program is an aggregator, ready to be exported from a component or to be tested.
type Program struct {
	millstream.Part[part]
	description Description
}

// part is a configured aggregator.
type part interface {
	change(additions *Additions, accumulators *contract.BytesColumn, retract bool) (Added, error)
	merge(accumulators *contract.BytesColumn, groups []uint32, count int) (contract.BytesColumn, error)
	results(accumulators *contract.BytesColumn, panes []window.Pane) (contract.BytesColumn, error)
}

// Export exports an aggregator. create makes it from a step's config, which is read into C strictly by encoding/json;
// its error refuses the pipeline.
func Export[C, A any, G Aggregator[A]](create func(config C) (G, error), options ...Option) *Program {
	program := &Program{description: Description{SchemaVersion: 1}}
	for _, option := range options {
		option(program)
	}
	program.description.Retracts = reflect.TypeFor[G]().Implements(reflect.TypeFor[Retractor[A]]())
	program.Part = millstream.PartOf(create, func(made G) part { return newByRecord[A](made) })
	export(program)
	return program
}

// Describe is what the aggregator declares.
func (p *Program) Describe() Description { return p.description }

// Add adds records to accumulators. What it returns is good until the next call.
func (p *Program) Add(additions *Additions, accumulators *contract.BytesColumn) (Added, error) {
	return p.change(additions, accumulators, false)
}

// Retract takes records out of accumulators. What it returns is good until the next call.
func (p *Program) Retract(additions *Additions, accumulators *contract.BytesColumn) (Added, error) {
	return p.change(additions, accumulators, true)
}

func (p *Program) change(additions *Additions, accumulators *contract.BytesColumn, retract bool) (Added, error) {
	return millstream.Ask(&p.Part, func(of part) (Added, error) { return of.change(additions, accumulators, retract) })
}

// Merge merges accumulators into count ones: accumulator i into the one of index groups[i]. What it returns is good
// until the next call.
func (p *Program) Merge(accumulators *contract.BytesColumn, groups []byte, count int) (contract.BytesColumn, error) {
	return millstream.Ask(&p.Part, func(of part) (contract.BytesColumn, error) {
		return of.merge(accumulators, millstream.Numbers[uint32](groups), count)
	})
}

// Results are the values that tell accumulators. What it returns is good until the next call.
func (p *Program) Results(accumulators *contract.BytesColumn, panes []window.Pane) (contract.BytesColumn, error) {
	return millstream.Ask(&p.Part, func(of part) (contract.BytesColumn, error) {
		return of.results(accumulators, panes)
	})
}
