package millstream

import (
	"errors"
	"fmt"
	"reflect"

	"millstream.dev/millstream/contract"
)

// instance is a configured operator that processes batches: it splits them into records, carries state and gathers
// what is emitted.
type instance struct {
	program *Program
	frame   frame
	context Context
	states  []handle
	changes changes
	// record handles the record in hand, timer a timer; batch the whole batch, where the operator sees those.
	record func(row int) error
	timer  func(timer Timer) error
	batch  func() error
	// readers read typed columns.
	readers []fieldReader
	fired   struct {
		names  column
		domain TimeDomain
		values columnBuilder
		input  contract.BatchInput
	}
}

func newInstance(program *Program, operator reflect.Value) *instance {
	made := &instance{program: program}
	made.context = Context{&made.frame, program}
	made.frame.outputs = make([]outputBuilder, len(program.outputs))
	for at := range made.frame.outputs {
		for _, field := range program.writes {
			made.frame.outputs[at].typed = append(made.frame.outputs[at].typed, fieldBuilder{field: field})
		}
	}
	for _, field := range program.reads {
		made.readers = append(made.readers, fieldReader{field: field})
	}
	for index, state := range program.states {
		handle := handleAt(operator, state.at)
		handle.bind(&made.frame, state.StateDeclaration, uint32(index), state.asJSON)
		made.states = append(made.states, handle)
	}
	return made
}

// run processes a batch, of records or, with timers, of timers.
func (i *instance) run(input *contract.BatchInput, each func(row int) error) (contract.BatchOutput, error) {
	i.frame.begin(input, len(i.states) > 0)
	forgetLevels()
	defer i.leave()
	if err := i.process(input, each); err != nil {
		i.frame.metrics.clear()
		return contract.BatchOutput{}, err
	}
	i.frame.metrics.send()
	output := i.frame.finish()
	output.Changes = i.changes.all
	return output, nil
}

func (i *instance) process(input *contract.BatchInput, each func(row int) error) error {
	stored := input.States
	for at, state := range i.states {
		var values *contract.BytesColumn
		if i.program.states[at].Prefetch {
			if len(stored) == 0 {
				return fmt.Errorf("the host did not pass the values of state `%s`", i.program.states[at].Name)
			}
			values, stored = &stored[0], stored[1:]
		}
		if err := state.begin(values); err != nil {
			return err
		}
	}
	if each == nil && i.program.reads != nil {
		if err := readColumns(i.readers, &input.Batch); err != nil {
			return err
		}
	}
	if each == nil && i.batch != nil {
		if err := i.whole(); err != nil {
			return err
		}
	} else {
		if each == nil {
			each = i.record
		}
		for row := 0; row < i.frame.count; {
			var err error
			if row, err = i.rows(row, each); err != nil {
				return err
			}
		}
	}
	if i.frame.broken != nil {
		return i.frame.broken
	}
	i.changes.all, i.changes.prefetched = i.changes.all[:0], 0
	for _, state := range i.states {
		if err := state.finish(&i.changes); err != nil {
			return err
		}
	}
	return nil
}

// rows handles rows from one on until one panics, which fails it, and returns where to go on.
func (i *instance) rows(from int, each func(row int) error) (next int, err error) {
	row := from
	defer func() {
		if said := recover(); said != nil {
			i.frame.fail(reasonOf(said))
			next = row + 1
		}
	}()
	f := &i.frame
	for ; row < f.count; row++ {
		f.seek(row)
		switch err := each(row); {
		case err == nil:
			f.keep()
		case ConcernsBatch(err):
			return row, err
		default:
			f.fail(err)
		}
	}
	return row, nil
}

// whole has an operator handle a whole batch; a panic fails it.
func (i *instance) whole() (err error) {
	defer func() {
		if said := recover(); said != nil {
			err = reasonOf(said)
		}
	}()
	err = i.batch()
	i.frame.keep()
	return err
}

// recordFailure is thrown where a failure has no other way out: by the iterators of states.
type recordFailure struct{ err error }

func reasonOf(said any) error {
	if failure, ok := said.(recordFailure); ok {
		return failure.err
	}
	return panicked(said)
}

// errStop ends a walk that the caller has had enough of.
var errStop = errors.New("stop")

// fire handles timers. A timer is to what it emits as a record is that has its key, its time and no value.
func (i *instance) fire(fired *contract.FiredTimers) (contract.BatchOutput, error) {
	timers := &i.fired
	timers.names, timers.domain = columnOf(&fired.Names), fired.Domain
	timers.values.reset()
	count := len(fired.Times) / 8
	for range count {
		timers.values.end(false)
	}
	timers.input = contract.BatchInput{
		Batch: contract.RecordBatch{
			Count: uint32(count), Keys: fired.Keys, Values: timers.values.finish(), Timestamps: fired.Times,
		},
		Groups: fired.Groups, GroupKeys: fired.GroupKeys, States: fired.States, Watermark: fired.Watermark,
	}
	return i.run(&timers.input, i.fireOne)
}

func (i *instance) fireOne(row int) error {
	if i.timer == nil {
		return errNoOnTimer
	}
	return i.timer(Timer{&i.frame, &i.fired.names, i.fired.domain, row})
}

func (i *instance) leave() {
	for _, state := range i.states {
		state.leave()
	}
	i.frame.leave()
}
