package aggregator

import (
	"errors"
	"fmt"
	"slices"

	"millstream.dev/millstream"
	"millstream.dev/millstream/contract"
	"millstream.dev/millstream/window"
)

// byRecord is an aggregator of single records under the calls for whole batches: it splits them, decodes and encodes
// accumulators, and undoes what records that fail have done.
type byRecord[A any] struct {
	aggregator Aggregator[A]
	retractor  Retractor[A]
	creator    Creator[A]
	codec      millstream.Stored[A]
	records    millstream.Records
	failures   millstream.Failures
	values     millstream.Values
	slots      []slot[A]
	buffer     []byte

	// What is being changed.
	stored        millstream.Column
	rows, targets []uint32
	take          func(*A, millstream.Record) error
}

// slot is an accumulator while it is changed.
type slot[A any] struct {
	now A
	// known: now is what it is; otherwise it is as it was at from.
	known bool
	// base is what it was at from, encoded; as it is stored where that is nil.
	base []byte
	// from is the place among the rows that it is made from again when a record fails.
	from int
}

var (
	errNoPlace   = errors.New("the host names an accumulator that it did not pass")
	errNoRetract = errors.New("the aggregator has no method Retract")
	errMergeNull = errors.New("accumulators to merge are null, or go nowhere")
)

func newByRecord[A any](aggregator Aggregator[A]) *byRecord[A] {
	made := &byRecord[A]{aggregator: aggregator, codec: millstream.StoredAs[A]()}
	made.retractor, _ = aggregator.(Retractor[A])
	made.creator, _ = aggregator.(Creator[A])
	return made
}

func (b *byRecord[A]) change(additions *Additions, accumulators *contract.BytesColumn, retract bool) (Added, error) {
	b.take = b.aggregator.Add
	if retract {
		if b.retractor == nil {
			return Added{}, errNoRetract
		}
		b.take = b.retractor.Retract
	}
	b.records.Begin(&additions.Batch)
	b.failures.Reset()
	b.stored = millstream.ColumnOf(accumulators)
	b.rows, b.targets = millstream.Numbers[uint32](additions.Rows), millstream.Numbers[uint32](additions.Targets)
	b.slots = make([]slot[A], b.stored.Len())
	if len(b.rows) != len(b.targets) {
		return Added{}, errNoPlace
	}
	again, err := b.pass(nil)
	for err == nil && len(again) > 0 {
		// A record went into these before it failed at another one: they are begun again without it.
		slices.Sort(again)
		again = slices.Compact(again)
		for _, target := range again {
			b.slots[target] = slot[A]{}
		}
		again, err = b.pass(again)
	}
	if err != nil {
		return Added{}, err
	}
	b.values.Reset()
	for at := range b.slots {
		slot := &b.slots[at]
		bytes := slot.base
		if bytes == nil {
			bytes = b.stored.At(at)
		}
		if slot.known {
			if bytes, err = b.encode(&slot.now); err != nil {
				return Added{}, err
			}
		}
		b.values.PushBytes(bytes)
	}
	return Added{b.values.Finish(), b.failures.Finish()}, nil
}

// pass goes through the rows, those of some targets or all, and returns the targets that a record has gone into which
// has failed by now.
func (b *byRecord[A]) pass(only []uint32) (again []uint32, err error) {
	for at, row := range b.rows {
		target := b.targets[at]
		if int(target) >= len(b.slots) || int(row) >= b.records.Len() {
			return nil, errNoPlace
		}
		if b.failures.Has(row) || only != nil && !slices.Contains(only, target) {
			continue
		}
		reason := b.apply(row, target)
		if reason == nil {
			continue
		}
		if err := b.failures.Add(row, reason); err != nil {
			return nil, err
		}
		if err := b.rewind(target, at); err != nil {
			return nil, err
		}
		for before := range at {
			if b.rows[before] == row && b.targets[before] != target {
				again = append(again, b.targets[before])
			}
		}
	}
	return again, nil
}

// rewind makes an accumulator what it was before the row at a place, which has failed.
func (b *byRecord[A]) rewind(target uint32, place int) error {
	slot := &b.slots[target]
	from := slot.from
	slot.from, slot.known = place+1, false
	for at := from; at < place; at++ {
		if b.targets[at] != target || b.failures.Has(b.rows[at]) {
			continue
		}
		if err := b.apply(b.rows[at], target); err != nil {
			return fmt.Errorf("a record that could be added fails when it is added again: %w", err)
		}
	}
	if slot.known {
		// What was added up to here is not added a third time when the next record fails.
		encoded, err := b.encode(&slot.now)
		if err != nil {
			return err
		}
		slot.base = slices.Clone(encoded)
	}
	return nil
}

func (b *byRecord[A]) apply(row, target uint32) (err error) {
	defer millstream.Recover(&err)
	slot := &b.slots[target]
	if !slot.known {
		bytes := slot.base
		if bytes == nil {
			bytes = b.stored.At(int(target))
		}
		if slot.now, err = b.decode(bytes); err != nil {
			return millstream.BatchError(err)
		}
		slot.known = true
	}
	return b.take(&slot.now, b.records.At(int(row)))
}

func (b *byRecord[A]) merge(accumulators *contract.BytesColumn, groups []uint32, count int) (contract.BytesColumn, error) {
	stored := millstream.ColumnOf(accumulators)
	// What stands alone is never decoded.
	alone, merged := make([][]byte, count), make([]*A, count)
	for row := range stored.Len() {
		bytes := stored.At(row)
		if row >= len(groups) || int(groups[row]) >= count || bytes == nil {
			return contract.BytesColumn{}, errMergeNull
		}
		group := groups[row]
		if alone[group] == nil {
			alone[group] = bytes
			continue
		}
		if merged[group] == nil {
			first, err := b.decode(alone[group])
			if err != nil {
				return contract.BytesColumn{}, err
			}
			merged[group] = &first
		}
		other, err := b.decode(bytes)
		if err != nil {
			return contract.BytesColumn{}, err
		}
		if err := b.aggregator.Merge(merged[group], &other); err != nil {
			return contract.BytesColumn{}, err
		}
	}
	b.values.Reset()
	for group := range count {
		bytes := alone[group]
		if merged[group] != nil {
			var err error
			if bytes, err = b.encode(merged[group]); err != nil {
				return contract.BytesColumn{}, err
			}
		}
		b.values.PushBytes(bytes)
	}
	return b.values.Finish(), nil
}

func (b *byRecord[A]) results(accumulators *contract.BytesColumn, panes []window.Pane) (contract.BytesColumn, error) {
	stored := millstream.ColumnOf(accumulators)
	b.values.Reset()
	for row, pane := range panes {
		if row >= stored.Len() {
			return contract.BytesColumn{}, errNoPlace
		}
		accumulator, err := b.decode(stored.At(row))
		if err != nil {
			return contract.BytesColumn{}, err
		}
		output, err := b.aggregator.Result(&accumulator, pane)
		if err != nil {
			return contract.BytesColumn{}, err
		}
		if err := b.values.Push(output); err != nil {
			return contract.BytesColumn{}, err
		}
	}
	return b.values.Finish(), nil
}

// decode reads an accumulator; nil has not been begun.
func (b *byRecord[A]) decode(stored []byte) (accumulator A, err error) {
	if stored == nil {
		if b.creator != nil {
			accumulator = b.creator.Create()
		}
		return accumulator, nil
	}
	if err := b.codec.Read(stored, &accumulator); err != nil {
		return accumulator, fmt.Errorf("the accumulator that is stored does not decode: %w", err)
	}
	return accumulator, nil
}

// encode shows the stored form, until the next one.
func (b *byRecord[A]) encode(accumulator *A) (stored []byte, err error) {
	if b.buffer == nil {
		b.buffer = []byte{}
	}
	if stored, err = b.codec.Append(b.buffer[:0], accumulator); err == nil {
		b.buffer = stored
	}
	return stored, err
}
