// Package process is for window functions: the world millstream:window/process-window, a step's `process:`.
package process

import (
	"errors"
	"unicode/utf8"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/window"
)

// Function says what becomes of all records of a window at once, which the host keeps until it fires. What an
// aggregator can do costs less there.
//
// An error stops the pipeline: the records have long been taken in, and are put aside no more.
type Function[G any] interface {
	// Element sees the next record of the pane, in order of arrival. What it gathers is in memory, beginning with
	// the zero value.
	Element(gathered *G, record millstream.Record, pane *Pane) error
	// End is called when there are no more records.
	End(gathered *G, pane *Pane) error
}

// Pane is a window of a key that has fired, and what is emitted of it.
type Pane struct {
	// Key is the key.
	Key []byte
	// Window is the window.
	Window window.Window
	// Elements is how many records it has.
	Elements uint64
	// NowMs is processing time; WatermarkMs the watermark, where WatermarkKnown.
	NowMs, WatermarkMs int64
	WatermarkKnown     bool
	values             millstream.Values
}

// KeyText is the key as text.
func (p *Pane) KeyText() (string, error) {
	if !utf8.Valid(p.Key) {
		return "", errors.New("the key is not UTF-8")
	}
	return string(p.Key), nil
}

// Emit emits a record with this value. Its key is the pane's, its timestamp the last moment of the window.
func (p *Pane) Emit(value millstream.Output) error { return p.values.Push(value) }

// Option says something of a function.
type Option func(*Program)

// ConfigSchema publishes a JSON Schema of the configuration.
func ConfigSchema(schema string) Option { return func(p *Program) { p.schema = schema } }

// Program is a window function, ready to be exported from a component or to be tested.
type Program struct {
	millstream.Part[part]
	schema string
}

type part interface {
	begin(pane *Pane) error
	elements(batch *contract.RecordBatch) (contract.BytesColumn, error)
	end() (contract.BytesColumn, error)
}

// Export exports a window function. create makes it from a step's config, which is read into C strictly by
// encoding/json; its error refuses the pipeline.
func Export[C, G any, F Function[G]](create func(config C) (F, error), options ...Option) *Program {
	program := &Program{}
	for _, option := range options {
		option(program)
	}
	program.Part = millstream.PartOf(create, func(made F) part { return &configured[G]{function: made} })
	export(program)
	return program
}

// ConfigSchema is the JSON Schema of the configuration; empty: none.
func (p *Program) ConfigSchema() string { return p.schema }

// Begin says that a pane has fired; its records follow.
func (p *Program) Begin(pane Pane) error {
	_, err := millstream.Ask(&p.Part, func(of part) (struct{}, error) { return struct{}{}, of.begin(&pane) })
	return err
}

// Elements takes the next records of the pane, and returns values to emit, good until the next call.
func (p *Program) Elements(batch *contract.RecordBatch) (contract.BytesColumn, error) {
	return millstream.Ask(&p.Part, func(of part) (contract.BytesColumn, error) { return of.elements(batch) })
}

// End ends the pane, and returns values to emit, good until the next call.
func (p *Program) End() (contract.BytesColumn, error) {
	return millstream.Ask(&p.Part, func(of part) (contract.BytesColumn, error) { return of.end() })
}

var errNoPane = errors.New("the host has not begun a pane")

// configured is a function that gathers a G.
type configured[G any] struct {
	function Function[G]
	records  millstream.Records
	pane     *Pane
	gathered G
}

func (c *configured[G]) begin(pane *Pane) error {
	var none G
	c.pane, c.gathered = pane, none
	return nil
}

func (c *configured[G]) elements(batch *contract.RecordBatch) (contract.BytesColumn, error) {
	if c.pane == nil {
		return contract.BytesColumn{}, errNoPane
	}
	c.records.Begin(batch)
	c.pane.values.Reset()
	for row := range c.records.Len() {
		if err := c.function.Element(&c.gathered, c.records.At(row), c.pane); err != nil {
			return contract.BytesColumn{}, err
		}
	}
	return c.pane.values.Finish(), nil
}

func (c *configured[G]) end() (contract.BytesColumn, error) {
	pane := c.pane
	if pane == nil {
		return contract.BytesColumn{}, errNoPane
	}
	c.pane = nil
	pane.values.Reset()
	err := c.function.End(&c.gathered, pane)
	var none G
	c.gathered = none
	if err != nil {
		return contract.BytesColumn{}, err
	}
	return pane.values.Finish(), nil
}
