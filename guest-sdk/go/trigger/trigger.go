// Package trigger is for triggers: the world millstream:window/trigger, a window's trigger `operator:`.
package trigger

import (
	"math"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/window"
)

// Trigger says when windows fire: when the results of what they have so far are emitted. It takes the place of the
// window's end: results come when it says so, and at no other time.
//
// It is asked about panes, windows of a key. S is what it remembers of each, stored as states are; the zero value is
// not stored. It is copied for every element, so that one that fails can be undone: keep it small, and free of slices
// and maps.
type Trigger[S any] interface {
	// OnElement sees a record come into a pane; where the pane fires, it does so after the record. An error, or a
	// panic, is why the record fails; what was changed of the pane is undone, and the record is in none of its windows.
	OnElement(record millstream.Record, pane *Pane[S]) (Verdict, error)
}

// EventTimer is a [Trigger] that sets times by the watermark. An error stops the pipeline.
type EventTimer[S any] interface {
	// OnEventTime is called when the watermark has reached the time that was set; it is not set any more.
	OnEventTime(timeMs int64, pane *Pane[S]) (Verdict, error)
}

// ProcessingTimer is a [Trigger] that sets times by the host's clock. An error stops the pipeline.
type ProcessingTimer[S any] interface {
	// OnProcessingTime is called when the clock has reached the time that was set; it is not set any more.
	OnProcessingTime(timeMs int64, pane *Pane[S]) (Verdict, error)
}

// Merger is a [Trigger] for windows that merge, as sessions do. An error stops the pipeline.
type Merger[S any] interface {
	// OnMerge makes one pane of several: into has the window that they become, no state and no times set.
	OnMerge(from []*Pane[S], into *Pane[S]) (Verdict, error)
}

// Verdict is what becomes of a pane.
type Verdict uint8

// The verdicts.
const (
	// Continue: nothing.
	Continue Verdict = iota
	// Fire: its result is emitted.
	Fire
	// Purge: what it has is forgotten.
	Purge
	// FireAndPurge: it fires, then what it has is forgotten.
	FireAndPurge
)

// Never is the time that does not come.
const Never = math.MaxInt64

// Pane is a window of a key that a trigger is asked about.
type Pane[S any] struct {
	// State is what is remembered of it.
	State S
	window.Pane
	// EventTimeMs is when OnEventTime is called, ProcessingTimeMs when OnProcessingTime is; [Never] unless set.
	EventTimeMs, ProcessingTimeMs int64
	// NowMs is processing time; WatermarkMs the watermark, where WatermarkKnown.
	NowMs, WatermarkMs int64
	WatermarkKnown     bool
}

// Option says something of a trigger.
type Option func(*Program)

// Version gives the version of the states' format: raise it where stored ones no longer decode. It is 1 unless given.
func Version(version uint32) Option {
	return func(p *Program) { p.description.SchemaVersion = version }
}

// ConfigSchema publishes a JSON Schema of the configuration.
func ConfigSchema(schema string) Option {
	return func(p *Program) { p.description.ConfigSchema = schema }
}

// Description is what a trigger declares.
type Description struct {
	// SchemaVersion is the version of the states' format.
	SchemaVersion uint32
	// ConfigSchema is a JSON Schema of the configuration; empty: none.
	ConfigSchema string
}

// Panes are what a trigger is asked about.
type Panes struct {
	// Keys and Windows of the panes.
	Keys    contract.BytesColumn
	Windows window.Column
	// States are what is remembered of each; null: nothing.
	States contract.BytesColumn
	// EventTimes and ProcessingTimes are when the trigger wants to be asked again, 64 bits.
	EventTimes, ProcessingTimes []byte
	// NowMs is the host's clock, WatermarkMs the watermark.
	NowMs, WatermarkMs int64
}

// Elements are records that come into panes.
type Elements struct {
	// Batch has the records.
	Batch contract.RecordBatch
	// Rows are their indices in the batch, Panes the index of the pane of each, 32 bits.
	Rows, Panes []byte
	// Windows are those that the panes have with each.
	Windows window.Column
}

// Verdicts are a trigger's answer.
type Verdicts struct {
	// Verdicts has a byte for each element, or pane.
	Verdicts []byte
	// States, EventTimes and ProcessingTimes are as in Panes.
	States                      contract.BytesColumn
	EventTimes, ProcessingTimes []byte
	// Failures of records.
	Failures contract.FailureColumn
}

// Program is a trigger, ready to be exported from a component or to be tested.
type Program struct {
	millstream.Part[part]
	description Description
}

type part interface {
	onElements(panes *Panes, elements *Elements) (Verdicts, error)
	onTime(panes *Panes, domain millstream.TimeDomain, times []int64) (Verdicts, error)
	onMerge(panes *Panes, groups []uint32, merged []window.Window) (Verdicts, error)
}

// Export exports a trigger. create makes it from the trigger's config, which is read into C strictly by encoding/json;
// its error refuses the pipeline.
func Export[C, S any, T Trigger[S]](create func(config C) (T, error), options ...Option) *Program {
	program := &Program{description: Description{SchemaVersion: 1}}
	for _, option := range options {
		option(program)
	}
	program.Part = millstream.PartOf(create, func(made T) part { return newConfigured[S](made) })
	export(program)
	return program
}

// Describe is what the trigger declares.
func (p *Program) Describe() Description { return p.description }

// OnElements tells of records that come into panes. What it returns is good until the next call; so of the others.
func (p *Program) OnElements(panes *Panes, elements *Elements) (Verdicts, error) {
	return millstream.Ask(&p.Part, func(of part) (Verdicts, error) { return of.onElements(panes, elements) })
}

// OnTime tells that times have come, one for each pane, 64 bits.
func (p *Program) OnTime(panes *Panes, domain millstream.TimeDomain, times []byte) (Verdicts, error) {
	return millstream.Ask(&p.Part, func(of part) (Verdicts, error) {
		return of.onTime(panes, domain, millstream.Numbers[int64](times))
	})
}

// OnMerge tells that panes become one: those with the same number in groups become the merged window of that index.
func (p *Program) OnMerge(panes *Panes, groups []byte, merged window.Column) (Verdicts, error) {
	return millstream.Ask(&p.Part, func(of part) (Verdicts, error) {
		return of.onMerge(panes, millstream.Numbers[uint32](groups), merged.Read())
	})
}
