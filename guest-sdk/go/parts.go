package millstream

import (
	"errors"
	"fmt"
	"slices"

	"millstream.dev/millstream/contract"
)

// What the packages for parts of windows need of this one; operators have no use for it.

// Records reads the records of a batch.
type Records struct{ frame frame }

// Begin takes a batch.
func (r *Records) Begin(batch *contract.RecordBatch) {
	forgetLevels()
	r.frame.begin(&contract.BatchInput{Batch: *batch}, false)
}

// Len is the number of records.
func (r *Records) Len() int { return r.frame.count }

// At is a record.
func (r *Records) At(row int) Record { return Record{&r.frame, row} }

// Values writes the values of outputs as a column.
type Values struct {
	column columnBuilder
	json   jsonEncoder
}

// Reset begins a new column in the memory of the one before.
func (v *Values) Reset() { v.column.reset() }

// Push appends the value of an output.
func (v *Values) Push(output Output) error {
	switch output.kind {
	case givenValue:
		v.column.data = append(v.column.data, output.value...)
	case jsonValue:
		if err := v.json.encode(&v.column.data, output.any); err != nil {
			return err
		}
	case writtenValue:
		data, err := output.any.(appender).append(v.column.data)
		if err != nil {
			return err
		}
		v.column.data = data
	case sameValue:
		return errors.New("there is no record whose value could be the same")
	}
	v.column.end(output.kind != noValue)
	return nil
}

// PushBytes appends a value; nil is a null.
func (v *Values) PushBytes(value []byte) { v.column.push(value) }

// Finish shows the column, which is good until Reset.
func (v *Values) Finish() contract.BytesColumn { return v.column.finish() }

// Column reads a column of byte strings.
type Column struct{ column column }

// ColumnOf reads a column.
func ColumnOf(of *contract.BytesColumn) Column { return Column{columnOf(of)} }

// Len is the number of rows.
func (c *Column) Len() int { return c.column.len() }

// At is a value; nil is a null.
func (c *Column) At(row int) []byte { return c.column.get(row) }

// Stored turns what is remembered into the bytes that the host stores, as states are.
type Stored[T any] struct{ codec codec[T] }

// StoredAs makes one.
func StoredAs[T any]() Stored[T] { return Stored[T]{codecOf[T](false)} }

// Append appends the stored form.
func (s *Stored[T]) Append(buffer []byte, value *T) ([]byte, error) {
	return s.codec.encode(buffer, value)
}

// Read reads a stored form.
func (s *Stored[T]) Read(stored []byte, into *T) error { return s.codec.decode(stored, into) }

// Numbers sees little-endian bytes as numbers.
func Numbers[T uint32 | int64 | float64](bytes []byte) []T { return numbers[T](bytes) }

// BytesOf sees numbers as little-endian bytes.
func BytesOf[T uint32 | int64 | float64](numbers []T) []byte { return bytesOf(numbers) }

// Part is what the programs of parts have in common: how a P is made of a configuration, and the one that is in force.
type Part[P any] struct {
	configure func(config string) (P, error)
	current   *P
}

// PartOf is a part that create makes of its configuration, which is read into C strictly by encoding/json, and that runs
// as a P.
func PartOf[C, M, P any](create func(config C) (M, error), run func(made M) P) Part[P] {
	return Part[P]{configure: func(config string) (part P, err error) {
		defer Recover(&err)
		var into C
		if err := readConfig(config, &into); err != nil {
			return part, fmt.Errorf("the configuration is refused: %w", err)
		}
		made, err := create(into)
		if err != nil {
			return part, err
		}
		return run(made), nil
	}}
}

// Configure makes the part that the calls to come go to.
func (p *Part[P]) Configure(config string) error {
	made, err := p.configure(config)
	if err == nil {
		p.current = &made
	}
	return err
}

// Ask calls the part in force. A panic is an error.
func Ask[P, A any](of *Part[P], call func(part P) (A, error)) (answer A, err error) {
	if of.current == nil {
		return answer, errNotConfigured
	}
	defer Recover(&err)
	return call(*of.current)
}

// Recover makes an error of a panic: deferred.
func Recover(err *error) {
	if said := recover(); said != nil {
		*err = reasonOf(said)
	}
}

// Failures gathers the records that failed, each with its first reason.
type Failures struct {
	reasons map[uint32]error
	records []uint32
	texts   columnBuilder
}

// Reset forgets all.
func (f *Failures) Reset() {
	clear(f.reasons)
	f.records = f.records[:0]
}

// Add takes note of a failure; it returns err where that concerns the whole batch.
func (f *Failures) Add(record uint32, err error) error {
	if ConcernsBatch(err) {
		return err
	}
	if f.reasons == nil {
		f.reasons = map[uint32]error{}
	}
	if _, known := f.reasons[record]; !known {
		f.reasons[record] = err
	}
	return nil
}

// Has says whether a record is among them.
func (f *Failures) Has(record uint32) bool {
	if len(f.reasons) == 0 {
		return false
	}
	_, failed := f.reasons[record]
	return failed
}

// Finish shows them, until Reset.
func (f *Failures) Finish() contract.FailureColumn {
	f.records = f.records[:0]
	for record := range f.reasons {
		f.records = append(f.records, record)
	}
	slices.Sort(f.records)
	f.texts.reset()
	for _, record := range f.records {
		f.texts.pushText(f.reasons[record].Error())
	}
	return contract.FailureColumn{Records: bytesOf(f.records), Reasons: f.texts.finish()}
}
