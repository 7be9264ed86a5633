package operator

import (
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/internal/abi"
)

// The records of millstream:operator/processor as they lie in memory, and how they are read and written. What is
// written is kept by the variables here until the next call.

type rawInput struct {
	batch     abi.Batch
	groups    abi.List
	groupKeys abi.Column
	states    abi.List
	watermark int64
}

func (r *rawInput) read() contract.BatchInput {
	return contract.BatchInput{
		Batch: abi.InBatch(&r.batch), Groups: abi.In[byte](r.groups), GroupKeys: abi.InColumn(&r.groupKeys),
		States: abi.InColumns(r.states), Watermark: r.watermark,
	}
}

type rawFired struct {
	domain    uint8
	keys      abi.Column
	names     abi.Column
	times     abi.List
	groups    abi.List
	groupKeys abi.Column
	states    abi.List
	watermark int64
}

func (r *rawFired) read() contract.FiredTimers {
	return contract.FiredTimers{
		Domain: contract.TimeDomain(r.domain), Keys: abi.InColumn(&r.keys), Names: abi.InColumn(&r.names),
		Times: abi.In[byte](r.times), Groups: abi.In[byte](r.groups), GroupKeys: abi.InColumn(&r.groupKeys),
		States: abi.InColumns(r.states), Watermark: r.watermark,
	}
}

type rawOutput struct {
	output  uint32
	sources abi.List
	batch   abi.Batch
}

type rawChange struct {
	state  uint32
	groups abi.List
	values abi.Column
}

type rawTimers struct {
	domain      uint8
	keys, names abi.Column
	times       abi.List
}

// rawResult is a result<batch-output, string>.
type rawResult struct {
	failed   uint32
	outputs  abi.List
	changes  abi.List
	failures abi.Failures
	timers   abi.List
}

var (
	result  rawResult
	outputs []rawOutput
	changes []rawChange
	timers  []rawTimers
	columns []abi.Typed
	// output and reason own what result points to.
	output contract.BatchOutput
	reason string
)

// answer writes the result of a batch.
func answer(of contract.BatchOutput, err error) uint32 {
	if err != nil {
		reason = err.Error()
		result = rawResult{failed: 1, outputs: abi.OutText(reason)}
		return abi.Address(&result)
	}
	output = of
	outputs, changes, timers, columns = outputs[:0], changes[:0], timers[:0], columns[:0]
	typed := 0
	for at := range of.Outputs {
		typed += len(of.Outputs[at].Batch.Columns)
	}
	if cap(columns) < typed {
		// Grown at once, since what points to it must not move.
		columns = make([]abi.Typed, 0, typed)
	}
	for at := range of.Outputs {
		outputs = append(outputs, outOutput(&of.Outputs[at]))
	}
	for at := range of.Changes {
		change := &of.Changes[at]
		changes = append(changes, rawChange{change.State, abi.Out(change.Groups), abi.OutColumn(&change.Values)})
	}
	for at := range of.Timers {
		set := &of.Timers[at]
		timers = append(timers, rawTimers{
			uint8(set.Domain), abi.OutColumn(&set.Keys), abi.OutColumn(&set.Names), abi.Out(set.Times),
		})
	}
	result = rawResult{
		outputs: abi.Out(outputs), changes: abi.Out(changes), failures: abi.OutFailures(&of.Failures),
		timers: abi.Out(timers),
	}
	return abi.Address(&result)
}

func outOutput(of *contract.OutputBatch) rawOutput {
	batch := &of.Batch
	first := len(columns)
	for at := range batch.Columns {
		column := &batch.Columns[at]
		columns = append(columns, abi.Typed{
			Name: abi.OutText(column.Name), Kind: uint8(column.Kind), Offsets: abi.Out(column.Offsets),
			Data: abi.Out(column.Data), Validity: abi.Out(column.Validity),
		})
	}
	return rawOutput{
		output: of.Output, sources: abi.Out(of.Sources),
		batch: abi.Batch{
			Count: batch.Count, Keys: abi.OutColumn(&batch.Keys), Values: abi.OutColumn(&batch.Values),
			Headers: abi.Headers{
				Offsets: abi.Out(batch.Headers.Offsets), Names: abi.OutColumn(&batch.Headers.Names),
				Values: abi.OutColumn(&batch.Headers.Values),
			},
			Timestamps: abi.Out(batch.Timestamps), Columns: abi.Out(columns[first:]),
		},
	}
}

type rawState struct {
	name     abi.List
	kind     uint8
	version  uint32
	hasTTL   uint64
	ttlMs    uint64
	prefetch bool
}

type rawField struct {
	path     abi.List
	kind     uint8
	optional bool
}

type rawDescription struct {
	outputs, states, reads, writes abi.List
	rawValues, timers              bool
	configSchema                   abi.Optional
}

var (
	described      contract.Description
	rawDescribed   rawDescription
	describedNames []abi.List
	describedState []rawState
	describedField []rawField
)

// describe writes a description.
func describe(of contract.Description) uint32 {
	described = of
	for _, name := range described.Outputs {
		describedNames = append(describedNames, abi.OutText(name))
	}
	for _, state := range described.States {
		raw := rawState{
			name: abi.OutText(state.Name), kind: uint8(state.Kind), version: state.SchemaVersion, ttlMs: state.TTLMs,
			prefetch: state.Prefetch,
		}
		if state.TTLMs > 0 {
			raw.hasTTL = 1
		}
		describedState = append(describedState, raw)
	}
	for _, fields := range [][]contract.FieldDeclaration{described.Reads, described.Writes} {
		for _, field := range fields {
			describedField = append(describedField, rawField{abi.OutText(field.Path), uint8(field.Kind), field.Optional})
		}
	}
	rawDescribed = rawDescription{
		outputs: abi.Out(describedNames), states: abi.Out(describedState),
		reads:     abi.Out(describedField[:len(described.Reads)]),
		writes:    abi.Out(describedField[len(described.Reads):]),
		rawValues: described.RawValues, timers: described.Timers, configSchema: abi.OutOptional(described.ConfigSchema),
	}
	return abi.Address(&rawDescribed)
}
