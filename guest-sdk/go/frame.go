package millstream

import (
	"math"

	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/host"
)

// frame is the batch in hand and the place in it: what records, the context and the states look at.
type frame struct {
	input *contract.BatchInput
	count int
	// row is the record in hand, group the number of its key.
	row   int
	group uint32

	keys    column
	values  column
	headers headerColumn
	times   []int64
	groups  []uint32
	ofKey   column

	keyTexts   texts
	valueTexts texts
	watermark  int64
	nowMs      int64
	hasNow     bool

	outputs  []outputBuilder
	timers   [2]timerBuilder
	metrics  metrics
	json     jsonEncoder
	writer   JSONWriter
	touched  []handle
	failed   []uint32
	reasons  columnBuilder
	grouping grouping
	// broken is why the batch cannot stand, even if the operator swallows the error that it was given.
	broken error
}

// begin takes a batch over. grouped: the operator has states, so that records must be grouped by key, by the host or
// here.
func (f *frame) begin(input *contract.BatchInput, grouped bool) {
	f.input, f.count = input, int(input.Batch.Count)
	f.keys, f.values = columnOf(&input.Batch.Keys), columnOf(&input.Batch.Values)
	f.headers = headersOf(&input.Batch.Headers)
	f.times = numbers[int64](input.Batch.Timestamps)
	f.groups, f.ofKey = numbers[uint32](input.Groups), columnOf(&input.GroupKeys)
	if grouped && len(f.groups) == 0 && f.count > 0 {
		f.grouping.group(&f.keys, f.count)
		f.groups = f.grouping.groups
		keys := f.grouping.keys.finish()
		f.ofKey = columnOf(&keys)
	}
	f.keyTexts, f.valueTexts = texts{}, texts{}
	f.watermark, f.hasNow, f.broken = input.Watermark, false, nil
	for at := range f.outputs {
		f.outputs[at].reset()
	}
	f.timers[0].reset()
	f.timers[1].reset()
	f.touched, f.failed = f.touched[:0], f.failed[:0]
	f.reasons.reset()
}

// seek goes to a record.
func (f *frame) seek(row int) {
	f.row, f.group = row, contract.NoGroup
	if row < len(f.groups) {
		f.group = f.groups[row]
	}
}

// keep lets what the record in hand did stand.
func (f *frame) keep() {
	if len(f.touched) > 0 {
		for _, state := range f.touched {
			state.keep()
		}
		f.touched = f.touched[:0]
	}
	f.timers[0].keep()
	f.timers[1].keep()
}

// fail undoes what the record in hand did, and says why.
func (f *frame) fail(reason error) {
	for _, state := range f.touched {
		state.undo()
	}
	f.touched = f.touched[:0]
	f.timers[0].undo()
	f.timers[1].undo()
	for at := range f.outputs {
		f.outputs[at].undo(f.row)
	}
	f.failed = append(f.failed, uint32(f.row))
	f.reasons.pushText(reason.Error())
}

// breakOff remembers that the batch cannot stand.
func (f *frame) breakOff(err error) error {
	err = BatchError(err)
	f.broken = err
	return err
}

// finish shows what came of the batch but for changes of states.
func (f *frame) finish() contract.BatchOutput {
	output := contract.BatchOutput{
		Failures: contract.FailureColumn{Records: bytesOf(f.failed), Reasons: f.reasons.finish()},
	}
	for at := range f.outputs {
		if len(f.outputs[at].sources) > 0 {
			output.Outputs = append(output.Outputs, f.outputs[at].finish(f, at))
		}
	}
	for domain := range f.timers {
		if len(f.timers[domain].times) > 0 {
			output.Timers = append(output.Timers, f.timers[domain].finish(contract.TimeDomain(domain)))
		}
	}
	return output
}

// leave forgets the batch, so that nothing is read any more where it was.
func (f *frame) leave() {
	f.input, f.count = nil, 0
	f.keys, f.values, f.ofKey, f.headers, f.times, f.groups = column{}, column{}, column{}, headerColumn{}, nil, nil
	f.keyTexts, f.valueTexts = texts{}, texts{}
}

// now is processing time, asked for once a batch.
func (f *frame) now() int64 {
	if !f.hasNow {
		f.nowMs, f.hasNow = host.NowMs(), true
	}
	return f.nowMs
}

func (f *frame) watermarkMs() (int64, bool) { return f.watermark, f.watermark != math.MinInt64 }

// grouping numbers the distinct keys in order of first appearance.
type grouping struct {
	numbers map[string]uint32
	groups  []uint32
	keys    columnBuilder
}

func (g *grouping) group(keys *column, count int) {
	if g.numbers == nil {
		g.numbers = make(map[string]uint32, count)
	}
	clear(g.numbers)
	g.groups = g.groups[:0]
	g.keys.reset()
	for row := range count {
		key := keys.get(row)
		if key == nil {
			g.groups = append(g.groups, contract.NoGroup)
			continue
		}
		number, known := g.numbers[string(key)]
		if !known {
			number = uint32(len(g.numbers))
			g.numbers[string(key)] = number
			g.keys.push(key)
		}
		g.groups = append(g.groups, number)
	}
}
