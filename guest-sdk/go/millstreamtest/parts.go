//go:build !wasm

package millstreamtest

import (
	"encoding/binary"
	"math"
	"testing"

	"millstream.dev/millstream"
	"millstream.dev/millstream/assigner"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
	"millstream.dev/millstream/process"
	"millstream.dev/millstream/trigger"
	"millstream.dev/millstream/watermark"
	"millstream.dev/millstream/window"
)

// configurable is any part.
type configurable interface{ Configure(config string) error }

func configure(t testing.TB, part configurable, config string) {
	t.Helper()
	host.Current = newSimulated(nil)
	if err := part.Configure(config); err != nil {
		t.Fatalf("the configuration is refused: %v", err)
	}
}

// Assign configures a window assigner and asks it for the windows of records: a list for each, and those that failed.
func Assign(t testing.TB, program *assigner.Program, config string, records ...Record) ([][]window.Window, []Failure) {
	t.Helper()
	configure(t, program, config)
	batch := batchOf(records)
	assigned, err := program.Assign(&batch, 0)
	if err != nil {
		t.Fatalf("the batch fails: %v", err)
	}
	windows := make([][]window.Window, len(records))
	for at, in := range assigned.Windows.Read() {
		row := u32(assigned.Rows, at)
		windows[row] = append(windows[row], in)
	}
	return windows, failuresOf(&assigned.Failures)
}

// Fire configures a window function and hands it the records of a pane in pages of two, and returns what it emits.
func Fire(t testing.TB, program *process.Program, config, key string, of window.Window, records ...Record) []Record {
	t.Helper()
	configure(t, program, config)
	pane := process.Pane{Key: []byte(key), Window: of, Elements: uint64(len(records))}
	if err := program.Begin(pane); err != nil {
		t.Fatalf("the pane is not begun: %v", err)
	}
	var emitted []Record
	told := func(values contract.BytesColumn, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("the function fails: %v", err)
		}
		for _, value := range rowsOf(&values) {
			emitted = append(emitted, Record{Output: "main", Key: []byte(key), Value: value, TimestampMs: of.LastMs()})
		}
	}
	for len(records) > 0 {
		page := records[:min(2, len(records))]
		records = records[len(page):]
		batch := batchOf(page)
		told(program.Elements(&batch))
	}
	told(program.End())
	return emitted
}

// Generator is a watermark generator under test, with one partition.
type Generator struct {
	t       testing.TB
	program *watermark.Program
	state   []byte
	// NowMs is processing time.
	NowMs int64
	// WatermarkMs is how far event time has come; the smallest int64: it is not known.
	WatermarkMs int64
	// Idle: the partition holds nobody back.
	Idle bool
}

// NewGenerator configures a watermark generator by JSON text.
func NewGenerator(t testing.TB, program *watermark.Program, config string) *Generator {
	t.Helper()
	configure(t, program, config)
	return &Generator{t: t, program: program, WatermarkMs: math.MinInt64}
}

// Read reads records from the partition.
func (g *Generator) Read(records ...Record) {
	g.t.Helper()
	batch := batchOf(records)
	g.take(g.program.OnRecords(g.state, &batch, g.NowMs))
}

// Tick lets processing time reach nowMs and asks the generator.
func (g *Generator) Tick(nowMs int64) {
	g.t.Helper()
	g.NowMs = nowMs
	g.take(g.program.OnTime(g.state, g.NowMs))
}

func (g *Generator) take(progress watermark.Progress, err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatalf("the generator fails: %v", err)
	}
	g.state, g.Idle = append([]byte(nil), progress.State...), progress.Idle
	if progress.Known {
		g.WatermarkMs = max(g.WatermarkMs, progress.WatermarkMs)
	}
}

// Trigger is a trigger under test, with one pane.
type Trigger struct {
	t       testing.TB
	program *trigger.Program
	pane    window.Pane
	state   []byte
	// EventTimeMs and ProcessingTimeMs are when it wants to be asked again.
	EventTimeMs, ProcessingTimeMs int64
	// NowMs is processing time, WatermarkMs the watermark.
	NowMs, WatermarkMs int64
}

// NewTrigger configures a trigger by JSON text and gives it a pane.
func NewTrigger(t testing.TB, program *trigger.Program, config, key string, of window.Window) *Trigger {
	t.Helper()
	configure(t, program, config)
	return &Trigger{
		t: t, program: program, pane: window.Pane{Key: []byte(key), Window: of}, EventTimeMs: trigger.Never,
		ProcessingTimeMs: trigger.Never, WatermarkMs: math.MinInt64,
	}
}

// Send puts a record into the pane; the verdict, and why the record failed, if it did.
func (r *Trigger) Send(record Record) (trigger.Verdict, string) {
	r.t.Helper()
	panes := r.panes()
	elements := trigger.Elements{
		Batch: batchOf([]Record{record}), Rows: make([]byte, 4), Panes: make([]byte, 4), Windows: panes.Windows,
	}
	verdict, failures := r.take(r.program.OnElements(&panes, &elements))
	if len(failures) > 0 {
		return verdict, failures[0].Reason
	}
	return verdict, ""
}

// Advance lets the watermark reach a time, and asks the trigger if it wants to be asked by then.
func (r *Trigger) Advance(watermarkMs int64) trigger.Verdict {
	r.t.Helper()
	r.WatermarkMs = watermarkMs
	return r.ask(millstream.EventTime, r.EventTimeMs, watermarkMs)
}

// Tick lets processing time reach nowMs, and asks the trigger if it wants to be asked by then.
func (r *Trigger) Tick(nowMs int64) trigger.Verdict {
	r.t.Helper()
	r.NowMs = nowMs
	return r.ask(millstream.ProcessingTime, r.ProcessingTimeMs, nowMs)
}

func (r *Trigger) ask(domain millstream.TimeDomain, atMs, nowMs int64) trigger.Verdict {
	r.t.Helper()
	if atMs > nowMs {
		return trigger.Continue
	}
	panes := r.panes()
	verdict, _ := r.take(r.program.OnTime(&panes, domain, eight(atMs)))
	return verdict
}

// Merge makes the pane one with another, which was under test as well, in a window that holds both.
func (r *Trigger) Merge(other *Trigger, into window.Window) trigger.Verdict {
	r.t.Helper()
	panes := r.panes()
	panes.Keys, panes.States = columnOf(r.pane.Key, other.pane.Key), columnOf(nonEmpty(r.state), nonEmpty(other.state))
	panes.Windows = window.ColumnOf([]window.Window{r.pane.Window, other.pane.Window})
	panes.EventTimes = append(eight(r.EventTimeMs), eight(other.EventTimeMs)...)
	panes.ProcessingTimes = append(eight(r.ProcessingTimeMs), eight(other.ProcessingTimeMs)...)
	r.pane.Window = into
	verdict, _ := r.take(r.program.OnMerge(&panes, make([]byte, 8), window.ColumnOf([]window.Window{into})))
	return verdict
}

func (r *Trigger) panes() trigger.Panes {
	return trigger.Panes{
		Keys: columnOf(r.pane.Key), Windows: window.ColumnOf([]window.Window{r.pane.Window}),
		States: columnOf(nonEmpty(r.state)), EventTimes: eight(r.EventTimeMs), ProcessingTimes: eight(r.ProcessingTimeMs),
		NowMs: r.NowMs, WatermarkMs: r.WatermarkMs,
	}
}

func (r *Trigger) take(verdicts trigger.Verdicts, err error) (trigger.Verdict, []Failure) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("the trigger fails: %v", err)
	}
	r.state = rowsOf(&verdicts.States)[0]
	r.EventTimeMs, r.ProcessingTimeMs = i64(verdicts.EventTimes, 0), i64(verdicts.ProcessingTimes, 0)
	return trigger.Verdict(verdicts.Verdicts[0]), failuresOf(&verdicts.Failures)
}

func eight(time int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(time)) }

func nonEmpty(state []byte) []byte {
	if len(state) == 0 {
		return nil
	}
	return state
}
