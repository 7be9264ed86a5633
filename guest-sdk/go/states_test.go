package millstream_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/millstreamtest"
	"millstream.dev/millstream/operator"
)

func TestStatesAreDeclaredByFieldsAndTags(t *testing.T) {
	_, _ = script(t, nil)
	program := operator.Export(func(millstream.NoConfig) (*scripted, error) { return &scripted{}, nil })
	want := []contract.StateDeclaration{
		{Name: "total", Kind: contract.ValueState, SchemaVersion: 1, Prefetch: true},
		{Name: "profile", Kind: contract.ValueState, SchemaVersion: 3, Prefetch: true},
		{Name: "note", Kind: contract.ValueState, SchemaVersion: 1, TTLMs: 60_000},
		{Name: "seen", Kind: contract.MapState, SchemaVersion: 1},
		{Name: "by_day", Kind: contract.MapState, SchemaVersion: 1},
		{Name: "recent", Kind: contract.ListState, SchemaVersion: 1},
	}
	if got := program.Describe(); !slices.Equal(got.States, want) || !got.Timers {
		t.Errorf("%+v", got)
	}
	type wrong struct {
		*scripted
		state millstream.Value[int64] `state:"x,ttl=soon"`
	}
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "ttl=soon is no time such as") {
			t.Errorf("%s", said)
		}
	}()
	operator.Export(func(millstream.NoConfig) (*wrong, error) { return nil, nil })
}

func TestAValueIsKeptByKeyAndUndone(t *testing.T) {
	h, _ := script(t, func(s *scripted, ctx *millstream.Context, record millstream.Record) error {
		total, err := s.total.Or(0)
		if err != nil {
			return err
		}
		// Twice, so that what is undone is what the record found.
		for range 2 {
			if err := s.total.Set(total + 1); err != nil {
				return err
			}
		}
		err = s.profile.Update(func(p *profile) { p.Names = append(p.Names, string(record.Value())) })
		if err != nil {
			return err
		}
		if string(record.Value()) == "bad" {
			return fail
		}
		profile, _, err := s.profile.Get()
		if err != nil {
			return err
		}
		return ctx.Emit(millstream.Text(fmt.Sprint(total+1, profile.Names)))
	})
	out := h.Send(text("a", "x"), text("b", "y"), text("a", "bad"), text("a", "z"), millstreamtest.Record{Value: []byte("v")})
	if got := out.Texts(); !slices.Equal(got, []string{"1 [x]", "1 [y]", "2 [x z]"}) {
		t.Errorf("%q", got)
	}
	if len(out.Failed) != 2 || out.Failed[1].Reason != "this record has no key, and state is kept by key" {
		t.Errorf("%+v", out.Failed)
	}
	out = h.Send(text("a", "bad"), text("c", "bad"))
	if len(out.Failed) != 2 || h.Stored("total", "c") != nil || h.Stored("total", "a")[0] != 2 {
		t.Errorf("%+v %v %v", out, h.Stored("total", "c"), h.Stored("total", "a"))
	}
	if got := string(h.Stored("profile", "a")); got != `{"names":["x","z"]}` {
		t.Errorf("%s", got)
	}
	if h.StateCalls() != 0 {
		t.Errorf("%d calls for what is prefetched", h.StateCalls())
	}
	h.Store("total", "a", []byte("1234"))
	reason := h.Send(text("a", "x")).Failed[0].Reason
	if reason != "state `total`: what is stored does not decode: an int64 takes 8 bytes, not 4" {
		t.Errorf("%s", reason)
	}
}

func TestAFailingRecordThatHasNotReadTheStateLeavesItAsItIs(t *testing.T) {
	h, _ := script(t, func(s *scripted, _ *millstream.Context, record millstream.Record) error {
		if err := s.total.Set(7); err != nil {
			return err
		}
		return fail
	})
	h.Store("total", "a", []byte("12345678"))
	if h.Send(text("a", "x")); string(h.Stored("total", "a")) != "12345678" {
		t.Errorf("%q", h.Stored("total", "a"))
	}
}

func TestAValueThatIsNotPrefetchedIsReadWhenItIsAskedForAndExpires(t *testing.T) {
	h, _ := script(t, func(s *scripted, ctx *millstream.Context, record millstream.Record) error {
		if len(record.Value()) > 0 {
			return s.note.Set(string(record.Value()))
		}
		note, err := s.note.Or("none")
		if err != nil {
			return err
		}
		return ctx.Emit(millstream.Text(note))
	})
	h.Send(text("a", "hello"))
	if got := h.Send(text("a", ""), text("a", ""), text("b", "")).Texts(); !slices.Equal(got, []string{"hello", "hello", "none"}) {
		t.Errorf("%q", got)
	}
	if h.StateCalls() != 3 {
		t.Errorf("%d calls", h.StateCalls())
	}
	h.SetNow(60_000)
	if got := h.Send(text("a", "")).Only().Text(); got != "none" {
		t.Errorf("%q", got)
	}
}

func TestAMapIsOrderedAndUndone(t *testing.T) {
	h, _ := script(t, func(s *scripted, ctx *millstream.Context, record millstream.Record) error {
		words := strings.Fields(string(record.Value()))
		switch words[0] {
		case "fill":
			for day := range int64(600) {
				if err := s.byDay.Set(day-300, fmt.Sprint(day)); err != nil {
					return err
				}
			}
		case "set", "bad":
			if err := s.seen.Set(words[1], 1); err != nil {
				return err
			}
		case "remove":
			if err := s.seen.Remove(words[1]); err != nil {
				return err
			}
		case "clear":
			if err := s.seen.Clear(); err != nil {
				return err
			}
			if err := s.seen.Set("after", 1); err != nil {
				return err
			}
		}
		if words[len(words)-1] == "bad" {
			return fail
		}
		var fields []string
		for field := range s.seen.All() {
			fields = append(fields, field)
		}
		days, last := 0, int64(math.MinInt64)
		err := s.byDay.EachIn(-290, 290, func(day int64, _ string) error {
			if day <= last {
				return fmt.Errorf("%d comes after %d", day, last)
			}
			days, last = days+1, day
			return nil
		})
		if err != nil {
			return err
		}
		return ctx.Emit(millstream.Text(fmt.Sprint(fields, days)))
	})
	out := h.Send(text("a", "set y"), text("a", "set x"), text("a", "set z bad"), text("a", "clear bad"), text("a", "remove x bad"))
	if got := out.Texts(); !slices.Equal(got, []string{"[y] 0", "[x y] 0"}) {
		t.Errorf("%q", got)
	}
	h.Send(text("a", "fill"))
	out = h.Send(text("a", "set aa"), text("a", "remove x"), text("a", "clear"), text("b", "see"))
	if got := out.Texts(); !slices.Equal(got, []string{"[aa x y] 580", "[aa y] 580", "[after] 580", "[] 0"}) {
		t.Errorf("%q", got)
	}
	if h.StoredField("seen", "a", "y") != nil || h.StoredField("seen", "a", "after") == nil {
		t.Error("the map is not cleared in the store")
	}
	// Integers sort as numbers do: big-endian, the sign bit flipped.
	if h.StoredField("by_day", "a", "\x7f\xff\xff\xff\xff\xff\xff\xff") == nil {
		t.Error("-1 is stored under other bytes")
	}
}

func TestAListKeepsItsOrderAndIsUndone(t *testing.T) {
	h, _ := script(t, func(s *scripted, ctx *millstream.Context, record millstream.Record) error {
		if string(record.Value()) == "clear" || string(record.Value()) == "clear bad" {
			if err := s.recent.Clear(); err != nil {
				return err
			}
		} else if err := s.recent.Append(string(record.Value())); err != nil {
			return err
		}
		if strings.HasSuffix(string(record.Value()), "bad") {
			return fail
		}
		count, err := s.recent.Len()
		if err != nil {
			return err
		}
		sum := 0
		if err := s.recent.Each(1, func(string) error { sum++; return nil }); err != nil {
			return err
		}
		for first := range s.recent.All() {
			return ctx.Emit(millstream.Text(fmt.Sprint(first, " ", count, " ", sum)))
		}
		return ctx.Emit(millstream.Text("empty"))
	})
	var many []millstreamtest.Record
	for at := range 400 {
		many = append(many, text("a", fmt.Sprint(at)))
	}
	h.Send(many...)
	out := h.Send(text("a", "x"), text("a", "bad"), text("a", "clear bad"), text("a", "y"), text("a", "clear"), text("a", "z"))
	if got := out.Texts(); !slices.Equal(got, []string{"0 401 400", "0 402 401", "empty", "z 1 0"}) {
		t.Errorf("%q", got)
	}
	if got := h.Send(text("a", "!")).Only().Text(); got != "z 2 1" {
		t.Errorf("%q", got)
	}
}

func TestTimersAreSetMovedDeletedAndUndone(t *testing.T) {
	h, s := script(t, func(_ *scripted, ctx *millstream.Context, record millstream.Record) error {
		words := strings.Fields(string(record.Value()))
		var err error
		switch words[0] {
		case "event":
			err = ctx.SetEventTimer(words[1], record.TimestampMs())
		case "processing":
			err = ctx.SetProcessingTimer(words[1], record.TimestampMs())
		case "delete":
			err = ctx.DeleteEventTimer(words[1])
		}
		if err == nil && len(words) == 3 {
			err = fail
		}
		return err
	})
	s.onTimer = func(s *scripted, ctx *millstream.Context, timer millstream.Timer) error {
		fired, err := s.total.Or(0)
		if err != nil {
			return err
		}
		if err := s.total.Set(fired + 1); err != nil {
			return err
		}
		if timer.Name() == "again" {
			if err := ctx.SetEventTimer("last", timer.TimeMs()+1); err != nil {
				return err
			}
		}
		key, err := timer.KeyText()
		if err != nil {
			return err
		}
		return ctx.Emit(millstream.Text(fmt.Sprint(key, " ", timer.Domain(), " ", timer.Name(), " ", timer.TimeMs(), " ", fired)))
	}
	out := h.Send(
		text("a", "event x").At(10), text("b", "event x").At(5), text("a", "event x").At(20), text("a", "event y").At(6),
		text("a", "delete y"), text("a", "event z bad").At(1), text("a", "processing x").At(7), text("b", "event again").At(8),
		millstreamtest.Record{Value: []byte("event x")}, text("c", "event x").At(math.MinInt64),
	)
	if len(out.Failed) != 3 || out.Failed[1].Reason != "this record has no key, and timers belong to a key" ||
		out.Failed[2].Reason != "a timer cannot be set for the smallest time there is" {
		t.Errorf("%+v", out.Failed)
	}
	if got := h.AdvanceWatermark(19).Texts(); !slices.Equal(got, []string{"b event x 5 0", "b event again 8 1", "b event last 9 2"}) {
		t.Errorf("%q", got)
	}
	record := h.AdvanceWatermark(20).Only()
	if record.Text() != "a event x 20 0" || record.KeyText() != "a" || record.TimestampMs != 20 {
		t.Errorf("%+v", record)
	}
	if got := h.AdvanceNow(7).Only().Text(); got != "a processing x 7 1" {
		t.Errorf("%q", got)
	}
}
