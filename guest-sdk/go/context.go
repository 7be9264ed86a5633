package millstream

import (
	"fmt"
	"math"

	"millstream.dev/millstream/internal/host"
)

// Context is what an operator reaches while it processes a record: the outputs, timers, time, randomness and metrics.
// States are fields of the operator: see [Value], [Map] and [List].
type Context struct {
	frame   *frame
	program *Program
}

// Record returns the record in hand. While a timer is in hand it has the timer's key and time, and no value.
func (c *Context) Record() Record { return Record{c.frame, c.frame.row} }

// Emit sends a record to an output.
func (c *Context) Emit(output Output) error {
	at, err := c.output(output.name)
	if err != nil {
		return err
	}
	return c.frame.outputs[at].push(c.frame, &output)
}

// output is the index of a declared output; the first one has no need of a name.
func (c *Context) output(name string) (int, error) {
	if name == "" {
		return 0, nil
	}
	for at, declared := range c.program.outputs {
		if declared == name {
			return at, nil
		}
	}
	return 0, fmt.Errorf("output `%s` is not declared", name)
}

// Writer returns an empty [JSONWriter] for the value of an output, good until the next call.
func (c *Context) Writer() *JSONWriter {
	c.frame.writer.Reset()
	return &c.frame.writer
}

// SetEventTimer sets a timer of the record's key, which fires when the watermark has reached timeMs; one of the same
// name is moved. The operator's OnTimer is called then.
func (c *Context) SetEventTimer(name string, timeMs int64) error {
	return c.setTimer(EventTime, name, timeMs)
}

// SetProcessingTimer sets a timer of the record's key, which fires when the host's clock has reached timeMs.
func (c *Context) SetProcessingTimer(name string, timeMs int64) error {
	return c.setTimer(ProcessingTime, name, timeMs)
}

// DeleteEventTimer deletes an event-time timer of the record's key, if there is one of that name.
func (c *Context) DeleteEventTimer(name string) error {
	return c.changeTimer(EventTime, name, math.MinInt64)
}

// DeleteProcessingTimer deletes a processing-time timer of the record's key, if there is one of that name.
func (c *Context) DeleteProcessingTimer(name string) error {
	return c.changeTimer(ProcessingTime, name, math.MinInt64)
}

func (c *Context) setTimer(domain TimeDomain, name string, timeMs int64) error {
	if timeMs == math.MinInt64 {
		return errTimerTime
	}
	return c.changeTimer(domain, name, timeMs)
}

func (c *Context) changeTimer(domain TimeDomain, name string, timeMs int64) error {
	if !c.program.timers {
		return errNoOnTimer
	}
	return c.frame.timers[domain].push(c.frame, name, timeMs)
}

// NowMs returns processing time in milliseconds since 1970-01-01T00:00:00Z, as the host gives it: the same for all
// records of a batch, and for a batch that is replayed.
func (c *Context) NowMs() int64 { return c.frame.now() }

// WatermarkMs returns the event time that the input has reached, if it is known.
func (c *Context) WatermarkMs() (timeMs int64, known bool) { return c.frame.watermarkMs() }

// RandomU64 returns a random number, as the host gives it: the same again for a batch that is replayed.
func (c *Context) RandomU64() uint64 { return host.RandomU64() }

// Counter returns a counter of the operator. Names match [a-z][a-z0-9_]*. Summed up and sent once a batch; what a
// record adds stays, also when it fails.
func (c *Context) Counter(name string) Counter { return Counter{&c.frame.metrics, name} }

// Gauge returns a gauge of the operator.
func (c *Context) Gauge(name string) Gauge { return Gauge{&c.frame.metrics, name} }

// Histogram returns a histogram of the operator.
func (c *Context) Histogram(name string) Histogram { return Histogram{&c.frame.metrics, name} }
