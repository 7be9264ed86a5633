// Package watermark is for watermark generators: the world millstream:window/watermark-generator, a source's
// `watermark: { generator: .. }`.
package watermark

import (
	"fmt"
	"reflect"
	"time"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
)

// Generator says how far event time has come in a partition of a source. S is what it remembers of a partition, at
// first the zero value; a restart forgets it, and the watermark that was reached stays. It crosses to the host as
// states do.
type Generator[S any] interface {
	// OnRecord sees a record. The watermark holds for what comes after the batch that it is in. An error stops the
	// pipeline: a record that says nothing about time is none.
	OnRecord(record millstream.Record, partition *Partition[S]) error
}

// Ticker is a [Generator] that is also asked as time passes: see [Every].
type Ticker[S any] interface {
	OnTime(partition *Partition[S]) error
}

// Partition is a partition of a source, and what becomes of its event time.
type Partition[S any] struct {
	// State is what is remembered of it.
	State    S
	nowMs    int64
	progress Progress
}

// NowMs is processing time, milliseconds since 1970-01-01T00:00:00Z, as the host gives it.
func (p *Partition[S]) NowMs() int64 { return p.nowMs }

// Advance says that no record of the partition with this timestamp or an earlier one is expected any more. What is
// earlier than what was said before changes nothing.
func (p *Partition[S]) Advance(watermarkMs int64) {
	if !p.progress.Known || watermarkMs > p.progress.WatermarkMs {
		p.progress.Known, p.progress.WatermarkMs = true, watermarkMs
	}
}

// SetIdle says that the partition holds nobody back until the next record comes.
func (p *Partition[S]) SetIdle() { p.progress.Idle = true }

// Option says something of a generator.
type Option func(*Program)

// Every has OnTime called so often, by the host's clock.
func Every(every time.Duration) Option {
	return func(p *Program) { p.description.EveryMs = uint64(every.Milliseconds()) }
}

// ConfigSchema publishes a JSON Schema of the configuration.
func ConfigSchema(schema string) Option {
	return func(p *Program) { p.description.ConfigSchema = schema }
}

// Description is what a generator declares.
type Description struct {
	// EveryMs is how often OnTime is called, milliseconds; 0: never.
	EveryMs uint64
	// ConfigSchema is a JSON Schema of the configuration; empty: none.
	ConfigSchema string
}

// Progress is what a generator makes of what it has seen.
type Progress struct {
	// State is what to remember, encoded; empty: nothing.
	State []byte
	// WatermarkMs is the watermark, where Known.
	WatermarkMs int64
	Known       bool
	// Idle: the partition holds nobody back.
	Idle bool
}

// Program is a generator, ready to be exported from a component or to be tested.
type Program struct {
	millstream.Part[part]
	description Description
}

type part interface {
	onRecords(state []byte, batch *contract.RecordBatch, nowMs int64) (Progress, error)
	onTime(state []byte, nowMs int64) (Progress, error)
}

// Export exports a generator. create makes it from the source's config of it, which is read into C strictly by
// encoding/json; its error refuses the pipeline. A generator has OnTime and [Every], or neither.
func Export[C, S any, G Generator[S]](create func(config C) (G, error), options ...Option) *Program {
	program := &Program{}
	for _, option := range options {
		option(program)
	}
	if ticks := reflect.TypeFor[G]().Implements(reflect.TypeFor[Ticker[S]]()); ticks != (program.description.EveryMs > 0) {
		panic("millstream: a watermark generator has a method OnTime and the option Every, or neither")
	}
	program.Part = millstream.PartOf(create, func(made G) part { return &configured[S]{generator: made, codec: millstream.StoredAs[S]()} })
	export(program)
	return program
}

// Describe is what the generator declares.
func (p *Program) Describe() Description { return p.description }

// OnRecords takes records of a partition, of which state is remembered.
func (p *Program) OnRecords(state []byte, batch *contract.RecordBatch, nowMs int64) (Progress, error) {
	return millstream.Ask(&p.Part, func(of part) (Progress, error) { return of.onRecords(state, batch, nowMs) })
}

// OnTime tells that time has passed.
func (p *Program) OnTime(state []byte, nowMs int64) (Progress, error) {
	return millstream.Ask(&p.Part, func(of part) (Progress, error) { return of.onTime(state, nowMs) })
}

// configured is a generator of states of type S.
type configured[S any] struct {
	generator Generator[S]
	codec     millstream.Stored[S]
	records   millstream.Records
}

func (c *configured[S]) onRecords(state []byte, batch *contract.RecordBatch, nowMs int64) (Progress, error) {
	partition, err := c.read(state, nowMs)
	if err != nil {
		return Progress{}, err
	}
	c.records.Begin(batch)
	for row := range c.records.Len() {
		partition.progress.Idle = false
		if err := c.generator.OnRecord(c.records.At(row), partition); err != nil {
			return Progress{}, err
		}
	}
	return c.answer(partition)
}

func (c *configured[S]) onTime(state []byte, nowMs int64) (Progress, error) {
	partition, err := c.read(state, nowMs)
	if err != nil {
		return Progress{}, err
	}
	if ticker, ok := c.generator.(Ticker[S]); ok {
		if err := ticker.OnTime(partition); err != nil {
			return Progress{}, err
		}
	}
	return c.answer(partition)
}

// read reads what is remembered; what was never stored has no bytes.
func (c *configured[S]) read(state []byte, nowMs int64) (*Partition[S], error) {
	partition := &Partition[S]{nowMs: nowMs}
	if len(state) > 0 {
		if err := c.codec.Read(state, &partition.State); err != nil {
			return nil, fmt.Errorf("the state of the partition does not decode: %w", err)
		}
	}
	return partition, nil
}

func (c *configured[S]) answer(partition *Partition[S]) (Progress, error) {
	progress := partition.progress
	if !reflect.ValueOf(&partition.State).Elem().IsZero() {
		stored, err := c.codec.Append(nil, &partition.State)
		if err != nil {
			return Progress{}, err
		}
		progress.State = stored
	}
	return progress, nil
}
