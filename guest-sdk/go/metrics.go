package millstream

import "millstream.dev/millstream/internal/host"

// metrics is what the batch in hand reported; sent once, when it is done.
type metrics struct {
	counters     []count
	gauges       []level
	observations []level
}

type count struct {
	name  string
	delta uint64
}

type level struct {
	name  string
	value float64
}

func (m *metrics) send() {
	for _, counter := range m.counters {
		host.CounterAdd(counter.name, counter.delta)
	}
	for _, gauge := range m.gauges {
		host.GaugeSet(gauge.name, gauge.value)
	}
	for _, observed := range m.observations {
		host.HistogramRecord(observed.name, observed.value)
	}
	m.clear()
}

func (m *metrics) clear() {
	m.counters, m.gauges, m.observations = m.counters[:0], m.gauges[:0], m.observations[:0]
}

// Counter is a count of something.
type Counter struct {
	metrics *metrics
	name    string
}

// Add adds to the counter.
func (c Counter) Add(delta uint64) {
	for at := range c.metrics.counters {
		if c.metrics.counters[at].name == c.name {
			c.metrics.counters[at].delta += delta
			return
		}
	}
	c.metrics.counters = append(c.metrics.counters, count{c.name, delta})
}

// Gauge is a value that goes up and down.
type Gauge struct {
	metrics *metrics
	name    string
}

// Set sets the gauge. The last value of a batch is sent.
func (g Gauge) Set(value float64) {
	for at := range g.metrics.gauges {
		if g.metrics.gauges[at].name == g.name {
			g.metrics.gauges[at].value = value
			return
		}
	}
	g.metrics.gauges = append(g.metrics.gauges, level{g.name, value})
}

// Histogram is a distribution of values.
type Histogram struct {
	metrics *metrics
	name    string
}

// Record records a value. Each costs a call to the host at the end of the batch.
func (h Histogram) Record(value float64) {
	h.metrics.observations = append(h.metrics.observations, level{h.name, value})
}
