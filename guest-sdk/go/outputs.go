package millstream

import (
	"bytes"
	"encoding/json"
	"fmt"

	"millstream.dev/millstream/contract"
)

// outputBuilder writes the records of one output.
type outputBuilder struct {
	sources []uint32
	keys    mirror
	values  mirror
	times   mirroredTimes
	headers headerBuilder
	// typed are the declared writes, of which typedRows rows are written: all rows of the output, or none.
	typed     []fieldBuilder
	typedRows int
	// columns are the typed columns where an operator has written whole ones.
	columns []contract.TypedColumn
}

func (b *outputBuilder) reset() {
	b.sources = b.sources[:0]
	b.keys.reset()
	b.values.reset()
	b.times.reset()
	b.headers.reset()
	for at := range b.typed {
		b.typed[at].reset()
	}
	b.typedRows, b.columns = 0, b.columns[:0]
}

// push appends a record with a value that came of the record in hand.
func (b *outputBuilder) push(f *frame, output *Output) error {
	if b.typedRows > 0 {
		return errMixed
	}
	if err := b.pushValue(f, output); err != nil {
		b.values.truncate(len(b.sources))
		return err
	}
	b.pushRest(f, output)
	return nil
}

func (b *outputBuilder) pushValue(f *frame, output *Output) error {
	if output.kind == sameValue {
		if f.values.len() == 0 && f.count > 0 {
			return errNoRaw
		}
		b.values.repeat(&f.values, f.row)
		return nil
	}
	into := b.values.write(&f.values)
	switch output.kind {
	case givenValue:
		into.data = append(into.data, output.value...)
	case jsonValue:
		if err := f.json.encode(&into.data, output.any); err != nil {
			return err
		}
	case writtenValue:
		data, err := output.any.(appender).append(into.data)
		if err != nil {
			return err
		}
		into.data = data
	}
	into.end(output.kind != noValue)
	return nil
}

// pushRest appends everything but the value.
func (b *outputBuilder) pushRest(f *frame, output *Output) {
	row := len(b.sources)
	if len(f.headers.offsets) != 0 || len(output.headers) != 0 || len(b.headers.offsets) != 0 {
		b.headers.push(row, &f.headers, f.row, output)
	}
	switch output.keyKind {
	case inheritedKey:
		b.keys.repeat(&f.keys, f.row)
	case givenKey:
		into := b.keys.write(&f.keys)
		into.data = append(into.data, output.key...)
		into.end(true)
	case noKey:
		b.keys.write(&f.keys).end(false)
	}
	if output.hasTime {
		b.times.push(f.times, output.timestampMs)
	} else {
		b.times.repeat(f.times, f.row)
	}
	b.sources = append(b.sources, uint32(f.row))
}

// undo takes back what came of the record in hand.
func (b *outputBuilder) undo(row int) {
	rows := len(b.sources)
	for rows > 0 && b.sources[rows-1] == uint32(row) {
		rows--
	}
	if rows == len(b.sources) {
		return
	}
	b.sources = b.sources[:rows]
	b.keys.truncate(rows)
	b.times.truncate(rows)
	b.headers.truncate(rows)
	if b.typedRows > 0 {
		for at := range b.typed {
			b.typed[at].truncate(rows)
		}
		b.typedRows = rows
	} else {
		b.values.truncate(rows)
	}
}

// finish shows the records, which stay where they are until the next reset.
func (b *outputBuilder) finish(f *frame, output int) contract.OutputBatch {
	batch := contract.RecordBatch{
		Count:      uint32(len(b.sources)),
		Keys:       b.keys.finish(&f.keys, &f.input.Batch.Keys, f.count),
		Headers:    b.headers.finish(),
		Timestamps: b.times.finish(f.times, f.count),
	}
	if b.typedRows > 0 && len(b.columns) > 0 {
		batch.Columns = b.columns
	} else if b.typedRows > 0 {
		batch.Columns = make([]contract.TypedColumn, len(b.typed))
		for at := range b.typed {
			batch.Columns[at] = b.typed[at].finish()
		}
	} else {
		batch.Values = b.values.finish(&f.values, &f.input.Batch.Values, f.count)
	}
	return contract.OutputBatch{Output: uint32(output), Sources: bytesOf(b.sources), Batch: batch}
}

var (
	errMixed = fmt.Errorf("records with and without typed fields cannot go to one output in one batch")
	errNoRaw = fmt.Errorf("the value was not passed, since typed fields are declared: declare RawValues too")
)

// jsonEncoder writes JSON to the end of a buffer.
type jsonEncoder struct {
	encoder *json.Encoder
	into    *[]byte
}

func (e *jsonEncoder) Write(bytes []byte) (int, error) {
	*e.into = append(*e.into, bytes...)
	return len(bytes), nil
}

func (e *jsonEncoder) encode(into *[]byte, value any) error {
	if e.encoder == nil {
		e.encoder = json.NewEncoder(e)
		e.encoder.SetEscapeHTML(false)
	}
	e.into = into
	err := e.encoder.Encode(value)
	*into = bytes.TrimSuffix(*into, []byte{'\n'})
	return err
}
