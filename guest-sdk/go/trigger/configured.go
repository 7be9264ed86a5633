package trigger

import (
	"errors"
	"fmt"
	"math"
	"reflect"

	"millstream.dev/millstream"
	"millstream.dev/millstream/window"
)

// configured is a trigger under the calls for many panes.
type configured[S any] struct {
	trigger    Trigger[S]
	event      EventTimer[S]
	processing ProcessingTimer[S]
	merger     Merger[S]
	codec      millstream.Stored[S]
	records    millstream.Records
	failures   millstream.Failures
	states     millstream.Values
	verdicts   []byte
	times      [2][]int64
}

var (
	errNoPane  = errors.New("the host asks about a pane that it did not pass")
	errNoMerge = errors.New("the trigger has no method OnMerge, which windows that merge need")
)

func newConfigured[S any](trigger Trigger[S]) *configured[S] {
	made := &configured[S]{trigger: trigger, codec: millstream.StoredAs[S]()}
	made.event, _ = trigger.(EventTimer[S])
	made.processing, _ = trigger.(ProcessingTimer[S])
	made.merger, _ = trigger.(Merger[S])
	return made
}

func (c *configured[S]) onElements(panes *Panes, elements *Elements) (Verdicts, error) {
	asked, err := c.read(panes)
	if err != nil {
		return Verdicts{}, err
	}
	c.records.Begin(&elements.Batch)
	c.failures.Reset()
	windows, of := elements.Windows.Read(), millstream.Numbers[uint32](elements.Panes)
	for at, row := range millstream.Numbers[uint32](elements.Rows) {
		if at >= len(of) || at >= len(windows) || int(of[at]) >= len(asked) || int(row) >= c.records.Len() {
			return Verdicts{}, errNoPane
		}
		pane := &asked[of[at]]
		before := *pane
		pane.Window = windows[at]
		verdict, err := c.onElement(c.records.At(int(row)), pane)
		if err != nil {
			pane.State, pane.EventTimeMs, pane.ProcessingTimeMs = before.State, before.EventTimeMs, before.ProcessingTimeMs
			verdict = Continue
			if err := c.failures.Add(row, err); err != nil {
				return Verdicts{}, err
			}
		}
		c.verdicts = append(c.verdicts, byte(verdict))
	}
	return c.answer(asked)
}

func (c *configured[S]) onElement(record millstream.Record, pane *Pane[S]) (verdict Verdict, err error) {
	defer millstream.Recover(&err)
	return c.trigger.OnElement(record, pane)
}

func (c *configured[S]) onTime(panes *Panes, domain millstream.TimeDomain, times []int64) (Verdicts, error) {
	asked, err := c.read(panes)
	if err != nil {
		return Verdicts{}, err
	}
	if len(times) != len(asked) {
		return Verdicts{}, errNoPane
	}
	c.failures.Reset()
	for at := range asked {
		pane, verdict, next := &asked[at], Continue, int64(Never)
		if domain == millstream.EventTime {
			pane.EventTimeMs = Never
			if c.event != nil {
				verdict, err = c.event.OnEventTime(times[at], pane)
			}
			next = pane.EventTimeMs
		} else {
			pane.ProcessingTimeMs = Never
			if c.processing != nil {
				verdict, err = c.processing.OnProcessingTime(times[at], pane)
			}
			next = pane.ProcessingTimeMs
		}
		if err == nil && next <= times[at] {
			// It would be asked for ever.
			err = fmt.Errorf("the trigger is asked at %d, and wants to be asked again at %d, which is not later", times[at], next)
		}
		if err != nil {
			return Verdicts{}, err
		}
		c.verdicts = append(c.verdicts, byte(verdict))
	}
	return c.answer(asked)
}

func (c *configured[S]) onMerge(panes *Panes, groups []uint32, merged []window.Window) (Verdicts, error) {
	if c.merger == nil {
		return Verdicts{}, errNoMerge
	}
	asked, err := c.read(panes)
	if err != nil {
		return Verdicts{}, err
	}
	c.failures.Reset()
	from := make([][]*Pane[S], len(merged))
	for at := range asked {
		if at >= len(groups) || int(groups[at]) >= len(from) {
			return Verdicts{}, errNoPane
		}
		from[groups[at]] = append(from[groups[at]], &asked[at])
	}
	into := make([]Pane[S], len(merged))
	for at := range into {
		if len(from[at]) == 0 {
			return Verdicts{}, errNoPane
		}
		into[at] = Pane[S]{
			Pane: window.Pane{Key: from[at][0].Key, Window: merged[at]}, EventTimeMs: Never, ProcessingTimeMs: Never,
			NowMs: panes.NowMs, WatermarkMs: panes.WatermarkMs, WatermarkKnown: panes.WatermarkMs != math.MinInt64,
		}
		verdict, err := c.merger.OnMerge(from[at], &into[at])
		if err != nil {
			return Verdicts{}, err
		}
		c.verdicts = append(c.verdicts, byte(verdict))
	}
	return c.answer(into)
}

func (c *configured[S]) read(panes *Panes) ([]Pane[S], error) {
	c.verdicts = c.verdicts[:0]
	all := window.Panes(&panes.Keys, panes.Windows)
	states := millstream.ColumnOf(&panes.States)
	event, processing := millstream.Numbers[int64](panes.EventTimes), millstream.Numbers[int64](panes.ProcessingTimes)
	if states.Len() != len(all) || len(event) != len(all) || len(processing) != len(all) {
		return nil, errNoPane
	}
	asked := make([]Pane[S], len(all))
	for at := range asked {
		asked[at] = Pane[S]{
			Pane: all[at], EventTimeMs: event[at], ProcessingTimeMs: processing[at],
			NowMs: panes.NowMs, WatermarkMs: panes.WatermarkMs, WatermarkKnown: panes.WatermarkMs != math.MinInt64,
		}
		if stored := states.At(at); stored != nil {
			if err := c.codec.Read(stored, &asked[at].State); err != nil {
				return nil, fmt.Errorf("the trigger's state that is stored does not decode: %w", err)
			}
		}
	}
	return asked, nil
}

func (c *configured[S]) answer(panes []Pane[S]) (Verdicts, error) {
	c.states.Reset()
	c.times[0], c.times[1] = c.times[0][:0], c.times[1][:0]
	for at := range panes {
		pane := &panes[at]
		var stored []byte
		if !reflect.ValueOf(&pane.State).Elem().IsZero() {
			var err error
			if stored, err = c.codec.Append([]byte{}, &pane.State); err != nil {
				return Verdicts{}, err
			}
		}
		c.states.PushBytes(stored)
		c.times[0] = append(c.times[0], pane.EventTimeMs)
		c.times[1] = append(c.times[1], pane.ProcessingTimeMs)
	}
	return Verdicts{
		Verdicts: c.verdicts, States: c.states.Finish(), EventTimes: millstream.BytesOf(c.times[0]),
		ProcessingTimes: millstream.BytesOf(c.times[1]), Failures: c.failures.Finish(),
	}, nil
}
