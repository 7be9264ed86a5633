package millstream_test

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"millstream.dev/millstream"
	"millstream.dev/millstream/millstreamtest"
	"millstream.dev/millstream/operator"
)

// scripted is an operator that does what a test says with each record.
type scripted struct {
	total   millstream.Value[int64]       `state:"total"`
	profile millstream.Value[profile]     `state:"profile,version=3"`
	note    millstream.Value[string]      `state:"note,noprefetch,ttl=1m"`
	seen    millstream.Map[string, int64] `state:"seen"`
	byDay   millstream.Map[int64, string] `state:"by_day"`
	recent  millstream.List[string]       `state:"recent"`
	script  func(*scripted, *millstream.Context, millstream.Record) error
	onTimer func(*scripted, *millstream.Context, millstream.Timer) error
}

type profile struct {
	Names []string `json:"names"`
}

func (s *scripted) Process(ctx *millstream.Context, record millstream.Record) error {
	return s.script(s, ctx, record)
}

func (s *scripted) OnTimer(ctx *millstream.Context, timer millstream.Timer) error {
	return s.onTimer(s, ctx, timer)
}

// script makes a harness around what is done with each record.
func script(
	t *testing.T, process func(*scripted, *millstream.Context, millstream.Record) error,
) (*millstreamtest.Harness, *scripted) {
	made := &scripted{script: process}
	program := operator.Export(
		func(millstream.NoConfig) (*scripted, error) { return made, nil }, operator.Outputs("main", "other"),
	)
	return millstreamtest.New(t, program, ""), made
}

var (
	text = millstreamtest.Text
	fail = errors.New("refused")
)

// show writes a record in one line.
func show(record millstreamtest.Record) string {
	out := fmt.Sprintf("%s %d %q %q %d", record.Output, record.Source, record.Key, record.Value, record.TimestampMs)
	for _, header := range record.Headers {
		out += fmt.Sprintf(" %s=%s", header.Name, header.Value)
	}
	return out
}

// Every way to mix repeated rows, rows of its own, several rows of one record, dropped and failing records.
func TestRowsAreWhatWasEmittedWhateverWasRepeated(t *testing.T) {
	const ways, records = 6, 4
	mix := 0
	h, _ := script(t, func(_ *scripted, ctx *millstream.Context, record millstream.Record) error {
		way := mix
		for range record.TimestampMs() {
			way /= ways
		}
		switch way % ways {
		case 0:
			return nil
		case 1:
			return ctx.Emit(millstream.Same())
		case 2:
			return ctx.Emit(millstream.Text("v").KeyText("k").TimestampMs(9).Header("own", []byte("1")))
		case 3:
			if err := ctx.Emit(millstream.Same()); err != nil {
				return err
			}
			return ctx.Emit(millstream.Tombstone().NoKey().NoInputHeaders())
		case 4:
			if err := ctx.Emit(millstream.Same().TimestampMs(9)); err != nil {
				return err
			}
			if err := ctx.Emit(millstream.Text("v").NoKey()); err != nil {
				return err
			}
			return fail
		}
		refused := millstream.Written(func([]byte) ([]byte, error) { return nil, fail }).Header("h", nil)
		if err := ctx.Emit(refused); err != fail {
			return fmt.Errorf("the error of a writer comes back as %v", err)
		}
		return ctx.Emit(millstream.Text("w"))
	})
	var in []millstreamtest.Record
	for row := range records {
		record := text(strings.Repeat("k", row), strings.Repeat("v", row)).At(int64(row))
		if row%2 == 1 {
			record = record.With("h", fmt.Sprint(row))
		}
		in = append(in, record)
	}
	for mix = range ways * ways * ways * ways {
		var want []string
		way := mix
		for row, record := range in {
			record.Output, record.Source = "main", row
			switch way % ways {
			case 1:
				want = append(want, show(record))
			case 2:
				record.Key, record.Value, record.TimestampMs = []byte("k"), []byte("v"), 9
				want = append(want, show(record.With("own", "1")))
			case 3:
				bare := record
				bare.Key, bare.Value, bare.Headers = nil, nil, nil
				want = append(want, show(record), show(bare))
			case 5:
				record.Value = []byte("w")
				want = append(want, show(record))
			}
			way /= ways
		}
		var got []string
		for _, record := range h.Send(in...).Emitted {
			got = append(got, show(record))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("mix %d:\n got %q\nwant %q", mix, got, want)
		}
	}
}

func TestMissingIsNotEmpty(t *testing.T) {
	h, _ := script(t, func(_ *scripted, ctx *millstream.Context, record millstream.Record) error {
		header, found := record.Header("h")
		_, keyErr := record.KeyText()
		_, textErr := record.Text()
		return ctx.Emit(millstream.Text(fmt.Sprint(
			record.Key() == nil, record.Value() == nil, header == nil, found, keyErr, textErr)))
	})
	out := h.Send(
		millstreamtest.Record{}, text("", ""),
		millstreamtest.Record{Key: []byte{0xff}, Value: []byte{0xff}, Headers: []millstreamtest.Header{{Name: "h"}}},
	)
	want := []string{
		"true true true false this record has no key this record has no value: it is a tombstone",
		"false false true false <nil> <nil>",
		"false false true true the key is not UTF-8 the value is not UTF-8",
	}
	if got := out.Texts(); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestNullsOfFailingRecordsLeaveNoTrace(t *testing.T) {
	h, _ := script(t, func(_ *scripted, ctx *millstream.Context, record millstream.Record) error {
		output := millstream.Tombstone().NoKey()
		if len(record.Value()) > 0 {
			output = millstream.Text("v")
		}
		if err := ctx.Emit(output); err != nil {
			return err
		}
		if record.TimestampMs() > 0 {
			return fail
		}
		return nil
	})
	out := h.Send(slices.Concat(slices.Repeat([]millstreamtest.Record{text("k", "")}, 8),
		slices.Repeat([]millstreamtest.Record{text("k", "").At(1)}, 9))...)
	if len(out.Emitted) != 8 || len(out.Failed) != 9 {
		t.Errorf("%d and %d", len(out.Emitted), len(out.Failed))
	}
	out = h.Send(text("k", "").At(1), text("k", "x"))
	if record := out.Emitted[0]; record.Value == nil || record.Key == nil {
		t.Errorf("%+v", record)
	}
}

func TestTextsMayBeKept(t *testing.T) {
	var kept []string
	h, _ := script(t, func(_ *scripted, _ *millstream.Context, record millstream.Record) error {
		text, err := record.Text()
		kept = append(kept, text)
		return err
	})
	in := text("k", "first")
	h.Send(in)
	copy(in.Value, "XXXXX")
	h.Send(text("k", "other"))
	if !slices.Equal(kept, []string{"first", "other"}) {
		t.Errorf("%q", kept)
	}
}

func TestFailuresAndPanicsConcernOneRecord(t *testing.T) {
	h, _ := script(t, func(_ *scripted, ctx *millstream.Context, record millstream.Record) error {
		if err := ctx.Emit(millstream.Same()); err != nil {
			return err
		}
		switch string(record.Key()) {
		case "error":
			return fmt.Errorf("amount: %w", fail)
		case "panic":
			var none map[string]int
			none["x"]++
		case "nowhere":
			return ctx.Emit(millstream.Same().To("nowhere"))
		}
		return nil
	})
	out := h.Send(text("a", "1"), text("error", "2"), text("b", "3"), text("panic", "4"), text("nowhere", "5"), text("c", "6"))
	if got := out.Texts(); !slices.Equal(got, []string{"1", "3", "6"}) {
		t.Errorf("emitted: %q", got)
	}
	if len(out.Failed) != 3 {
		t.Fatalf("failed: %+v", out.Failed)
	}
	if got := out.Failed[0]; got.Record != 1 || got.Reason != "amount: refused" {
		t.Errorf("%+v", got)
	}
	reason := out.Failed[1].Reason
	if !strings.HasPrefix(reason, "panic: assignment to entry in nil map\n") || !strings.Contains(reason, "records_test.go:") ||
		strings.Contains(reason, "runtime/debug") || strings.Contains(reason, "instance).rows") {
		t.Errorf("%s", reason)
	}
	if got := out.Failed[2]; got.Record != 4 || got.Reason != "output `nowhere` is not declared" {
		t.Errorf("%+v", got)
	}
}

func TestABatchErrorFailsTheBatch(t *testing.T) {
	h, _ := script(t, func(_ *scripted, _ *millstream.Context, _ millstream.Record) error {
		return fmt.Errorf("store: %w", millstream.BatchError(fail))
	})
	if _, err := h.TrySend(text("a", "1")); err == nil || err.Error() != "store: refused" {
		t.Errorf("%v", err)
	}
}

func TestTheHostGivesTimeRandomnessLogAndMetrics(t *testing.T) {
	h, _ := script(t, func(_ *scripted, ctx *millstream.Context, record millstream.Record) error {
		ctx.Counter("seen").Add(2)
		ctx.Gauge("size").Set(float64(len(record.Value())))
		ctx.Histogram("sizes").Record(float64(len(record.Value())))
		slog.Info("a user", "user", "ada", slog.Group("at", "page", 3))
		slog.Default().With("a", 1).WithGroup("g").Debug("more", "b", true)
		slog.Log(nil, millstream.LevelTrace, "detail")
		_, known := ctx.WatermarkMs()
		return ctx.Emit(millstream.Text(fmt.Sprint(ctx.NowMs(), ctx.RandomU64(), known)))
	})
	h.SetNow(5)
	h.SetLogLevel(1)
	h.Send(text("a", "xx"), text("a", "xxx"))
	h.SetSeed(0)
	if got := h.Send(text("a", "x")).Only().Text(); got != "5 16294208416658607535 false" {
		t.Errorf("%s", got)
	}
	if h.Counter("seen") != 6 || h.Gauge("size") != 1 || !slices.Equal(h.Histogram("sizes"), []float64{2, 3, 1}) {
		t.Errorf("%d %v %v", h.Counter("seen"), h.Gauge("size"), h.Histogram("sizes"))
	}
	if got := h.Log()[:2]; !slices.Equal(got, []string{"info: a user user=ada at.page=3", "debug: more a=1 g.b=true"}) {
		t.Errorf("%q", got)
	}
	if len(h.Log()) != 6 {
		t.Errorf("%q", h.Log())
	}
}

func TestConfigurationsAreReadStrictly(t *testing.T) {
	type config struct {
		Goal int `json:"goal"`
	}
	program := operator.Export(func(c config) (*scripted, error) {
		if c.Goal == 7 {
			panic("seven")
		}
		if c.Goal < 1 {
			return nil, errors.New("`goal` must be at least 1")
		}
		return &scripted{}, nil
	})
	for given, want := range map[string]string{
		`{"goal":1}`:       "",
		``:                 "`goal` must be at least 1",
		`null`:             "`goal` must be at least 1",
		`{"goal":1,"x":2}`: `the configuration is refused: json: unknown field "x"`,
		`{"goal":1} {}`:    "the configuration is refused: there is something after its end",
		`{"goal":"a"}`:     "the configuration is refused: json: cannot unmarshal string into Go struct field config.goal of type int",
	} {
		if got := millstreamtest.Refusal(program, given); got != want {
			t.Errorf("%s: %s", given, got)
		}
	}
	if got := millstreamtest.Refusal(program, `{"goal":7}`); !strings.HasPrefix(got, "panic: seven\n") {
		t.Errorf("%s", got)
	}
}
