//go:build !wasm

package millstreamtest_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"millstream.dev/millstream"
	"millstream.dev/millstream/aggregator"
	"millstream.dev/millstream/assigner"
	"millstream.dev/millstream/millstreamtest"
	"millstream.dev/millstream/process"
	"millstream.dev/millstream/trigger"
	"millstream.dev/millstream/watermark"
	"millstream.dev/millstream/window"
)

var text = millstreamtest.Text

type path struct{ steps []string }

// AppendState and DecodeState make the order of additions visible.
func (p *path) AppendState(buffer []byte) ([]byte, error) {
	for _, step := range p.steps {
		buffer = append(buffer, step...)
	}
	return buffer, nil
}

func (p *path) DecodeState(stored []byte) error {
	p.steps = nil
	for _, one := range stored {
		p.steps = append(p.steps, string(one))
	}
	return nil
}

// paths refuses a record only once it was added, and only where the accumulator has something: what was done has to
// be undone, there and at the accumulators that took it.
type paths struct{}

func (paths) Add(p *path, record millstream.Record) error {
	value, err := record.Text()
	if err != nil {
		return err
	}
	p.steps = append(p.steps, value)
	if value == "!" && len(p.steps) > 1 {
		return errors.New("too late")
	}
	if value == "?" {
		panic("what")
	}
	return nil
}

func (paths) Merge(into, other *path) error {
	into.steps = append(into.steps, other.steps...)
	return nil
}

func (paths) Result(p *path, pane window.Pane) (millstream.Output, error) {
	if len(p.steps) == 0 {
		return millstream.Tombstone(), nil
	}
	key, err := pane.KeyText()
	return millstream.Text(fmt.Sprint(key, p.steps, pane.Window)), err
}

func TestARecordThatFailsCountsInNoneOfItsAccumulators(t *testing.T) {
	program := aggregator.Export(func(millstream.NoConfig) (paths, error) { return paths{}, nil }, aggregator.Version(2))
	if got := program.Describe(); got.SchemaVersion != 2 || got.Retracts {
		t.Errorf("%+v", got)
	}
	a := millstreamtest.NewAggregator(t, program, "")
	failed := a.AddEach(
		[][]string{{"x"}, {"y", "z", "x"}, {"y"}, {"x", "z"}, {"z"}, {"x"}, {"x"}},
		text("", "a"), text("", "!"), text("", "b"), text("", "c"), text("", "d"), text("", "?"), text("", "e"),
	)
	if len(failed) != 2 || failed[0].Record != 1 || failed[0].Reason != "too late" || failed[1].Record != 5 {
		t.Errorf("%+v", failed)
	}
	for key, want := range map[string]string{"x": "ace", "y": "b", "z": "cd"} {
		if got := string(a.Stored(key)); got != want {
			t.Errorf("%s has %s", key, got)
		}
	}
	a.Merge("x", "none", "z", "y")
	if got := string(a.Stored("x")); got != "acecdb" {
		t.Errorf("%s", got)
	}
	told := a.Result("x", window.Window{StartMs: 0, EndMs: 10})
	if told.Text() != "x[a c e c d b] {0 10}" || told.TimestampMs != 9 {
		t.Errorf("%+v", told)
	}
	if got := a.Result("none", window.Global); got.Value != nil {
		t.Errorf("%s", got.Text())
	}
}

type spans struct {
	Ms int64 `json:"ms"`
}

func (s spans) Assign(record millstream.Record, windows *assigner.Windows) error {
	for start := record.TimestampMs() / s.Ms * s.Ms; start > record.TimestampMs()-2*s.Ms; start -= s.Ms {
		for range 2 {
			if err := windows.Put(window.Window{StartMs: start, EndMs: start + 2*s.Ms}); err != nil {
				return err
			}
		}
	}
	if len(record.Value()) == 0 {
		return windows.Put(window.Window{StartMs: 1, EndMs: 1})
	}
	return nil
}

func TestRecordsAreInWindows(t *testing.T) {
	program := assigner.Export(func(config spans) (spans, error) { return config, nil })
	windows, failed := millstreamtest.Assign(t, program, `{"ms":10}`, text("", "a").At(5), text("", "").At(5), text("", "b").At(20))
	if got := fmt.Sprint(windows); got != "[[{0 20} {-10 10}] [] [{20 40} {10 30}]]" {
		t.Errorf("%s", got)
	}
	if len(failed) != 1 || failed[0].Reason != "a window that starts at 1 and ends at 1" {
		t.Errorf("%+v", failed)
	}
}

type longest struct{}

func (longest) Element(words *[]string, record millstream.Record, pane *process.Pane) error {
	word, err := record.Text()
	*words = append(*words, word)
	if word == "now" {
		return pane.Emit(millstream.Text("at once"))
	}
	return err
}

func (longest) End(words *[]string, pane *process.Pane) error {
	key, err := pane.KeyText()
	if err != nil {
		return err
	}
	return pane.Emit(millstream.JSON(map[string]any{key: *words, "all": pane.Elements}))
}

func TestAFunctionSeesAllRecordsOfAWindow(t *testing.T) {
	program := process.Export(func(millstream.NoConfig) (longest, error) { return longest{}, nil })
	for range 2 {
		told := millstreamtest.Fire(t, program, "", "k", window.Window{EndMs: 5}, text("k", "a"), text("k", "now"), text("k", "c"))
		if len(told) != 2 || told[0].Text() != "at once" || told[1].Text() != `{"all":3,"k":["a","now","c"]}` {
			t.Errorf("%+v", told)
		}
	}
}

type behind struct{ Ms int64 }

func (b behind) OnRecord(record millstream.Record, partition *watermark.Partition[int64]) error {
	partition.State = max(partition.State, record.TimestampMs())
	partition.Advance(partition.State - b.Ms)
	return nil
}

func (b behind) OnTime(partition *watermark.Partition[int64]) error {
	if partition.NowMs() >= 100 {
		partition.SetIdle()
	}
	return nil
}

func TestAWatermarkFollowsTheRecords(t *testing.T) {
	create := func(millstream.NoConfig) (behind, error) { return behind{5}, nil }
	program := watermark.Export(create, watermark.Every(time.Second))
	g := millstreamtest.NewGenerator(t, program, "")
	g.Read(text("", "").At(20), text("", "").At(10))
	g.Read(text("", "").At(12))
	if g.WatermarkMs != 15 || g.Idle || program.Describe().EveryMs != 1000 {
		t.Errorf("%+v", g)
	}
	if g.Tick(100); !g.Idle || g.WatermarkMs != 15 {
		t.Errorf("%+v", g)
	}
	if g.Read(text("", "").At(30)); g.Idle || g.WatermarkMs != 25 {
		t.Errorf("%+v", g)
	}
	defer func() {
		if recover() == nil {
			t.Error("OnTime without Every passes")
		}
	}()
	watermark.Export(create)
}

type counts struct{ Every int64 }

func (c counts) OnElement(record millstream.Record, pane *trigger.Pane[int64]) (trigger.Verdict, error) {
	number, err := strconv.ParseInt(string(record.Value()), 10, 64)
	pane.State += number
	pane.EventTimeMs = pane.Window.LastMs()
	if err != nil {
		pane.State, pane.EventTimeMs = 1_000, 1
	}
	if err == nil && pane.State >= c.Every {
		pane.State = 0
		return trigger.Fire, nil
	}
	return trigger.Continue, err
}

func (counts) OnEventTime(int64, *trigger.Pane[int64]) (trigger.Verdict, error) {
	return trigger.FireAndPurge, nil
}

func (counts) OnMerge(from []*trigger.Pane[int64], into *trigger.Pane[int64]) (trigger.Verdict, error) {
	for _, pane := range from {
		into.State += pane.State
	}
	into.EventTimeMs = into.Window.LastMs()
	return trigger.Continue, nil
}

func TestATriggerSaysWhenAWindowFires(t *testing.T) {
	program := trigger.Export(func(millstream.NoConfig) (counts, error) { return counts{5}, nil })
	r := millstreamtest.NewTrigger(t, program, "", "k", window.Window{EndMs: 100})
	verdicts := []string{}
	for _, number := range []string{"2", "x", "2", "1", "1"} {
		verdict, reason := r.Send(text("k", number))
		verdicts = append(verdicts, fmt.Sprint(verdict, reason != ""))
	}
	if !slices.Equal(verdicts, []string{"0 false", "0 true", "0 false", "1 false", "0 false"}) {
		t.Errorf("%q", verdicts)
	}
	other := millstreamtest.NewTrigger(t, program, "", "k", window.Window{StartMs: 100, EndMs: 200})
	other.Send(text("k", "3"))
	if r.Merge(other, window.Window{EndMs: 200}) != trigger.Continue || r.EventTimeMs != 199 {
		t.Errorf("%+v", r)
	}
	if verdict, _ := r.Send(text("k", "1")); verdict != trigger.Fire {
		t.Errorf("%v", verdict)
	}
	if r.Advance(198) != trigger.Continue || r.Advance(199) != trigger.FireAndPurge || r.EventTimeMs != trigger.Never {
		t.Errorf("%+v", r)
	}
}
