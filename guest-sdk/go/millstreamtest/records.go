//go:build !wasm

package millstreamtest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"testing"

	"millstream.dev/millstream/contract"
)

// Header is a header of a record; a nil Value is not the same as an empty one.
type Header struct {
	Name  string
	Value []byte
}

// Record is a record that goes in or came out.
type Record struct {
	// Output is the name of the output that it came from.
	Output string
	// Source is the input record that it came of, counted from 0 within the batch.
	Source int
	// Key is nil where the record has none.
	Key []byte
	// Value is nil for a tombstone.
	Value []byte
	// TimestampMs is the event time.
	TimestampMs int64
	// Headers in order.
	Headers []Header
}

// Text is a record with this value and key, at time 0.
func Text(key, value string) Record { return Record{Key: []byte(key), Value: []byte(value)} }

// JSON is a record with this key and a value as encoding/json writes it.
func JSON(key string, value any) Record {
	bytes, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return Record{Key: []byte(key), Value: bytes}
}

// At is the record with this event time, milliseconds.
func (r Record) At(timestampMs int64) Record {
	r.TimestampMs = timestampMs
	return r
}

// With is the record with one more header.
func (r Record) With(name, value string) Record {
	r.Headers = append(r.Headers[:len(r.Headers):len(r.Headers)], Header{name, []byte(value)})
	return r
}

// Text is the value as text.
func (r Record) Text() string { return string(r.Value) }

// KeyText is the key as text.
func (r Record) KeyText() string { return string(r.Key) }

// Failure is a record that failed.
type Failure struct {
	// Record is its place in the batch.
	Record int
	// Reason says why.
	Reason string
}

// Outcome is what came of a batch.
type Outcome struct {
	// Emitted are the records that came out, output by output, in order.
	Emitted []Record
	// Failed are the records that failed, in order.
	Failed []Failure
	t      testing.TB
}

// Of are the records of one output.
func (o Outcome) Of(output string) []Record {
	var of []Record
	for _, record := range o.Emitted {
		if record.Output == output {
			of = append(of, record)
		}
	}
	return of
}

// Only is the one record that was emitted; the test fails if there are others or a record failed.
func (o Outcome) Only() Record {
	o.t.Helper()
	if len(o.Emitted) != 1 || len(o.Failed) != 0 {
		o.t.Fatalf("one record is expected and no failure, but there are %d and %v", len(o.Emitted), o.Failed)
	}
	return o.Emitted[0]
}

// Texts are the values of all records that were emitted.
func (o Outcome) Texts() []string {
	texts := []string{}
	for _, record := range o.Emitted {
		texts = append(texts, record.Text())
	}
	return texts
}

// Decode reads a value as JSON; the test fails where it is none.
func Decode[T any](t testing.TB, record Record) T {
	t.Helper()
	var into T
	if err := json.Unmarshal(record.Value, &into); err != nil {
		t.Fatalf("%v: %s", err, record.Value)
	}
	return into
}

// columnOf makes a column of values.
func columnOf(values ...[]byte) contract.BytesColumn {
	column := contract.BytesColumn{Offsets: binary.LittleEndian.AppendUint32(nil, 0)}
	hasNull := false
	for _, value := range values {
		column.Data = append(column.Data, value...)
		column.Offsets = binary.LittleEndian.AppendUint32(column.Offsets, uint32(len(column.Data)))
		hasNull = hasNull || value == nil
	}
	if hasNull {
		column.Validity = make([]byte, (len(values)+7)/8)
		for row, value := range values {
			if value != nil {
				column.Validity[row/8] |= 1 << (row % 8)
			}
		}
	}
	return column
}

// rowsOf copies the values of a column.
func rowsOf(column *contract.BytesColumn) [][]byte {
	var rows [][]byte
	for row := 0; (row+2)*4 <= len(column.Offsets); row++ {
		if len(column.Validity) > 0 && column.Validity[row/8]>>(row%8)&1 == 0 {
			rows = append(rows, nil)
			continue
		}
		start, end := u32(column.Offsets, row), u32(column.Offsets, row+1)
		rows = append(rows, append([]byte{}, column.Data[start:end]...))
	}
	return rows
}

func u32(bytes []byte, row int) uint32 { return binary.LittleEndian.Uint32(bytes[row*4:]) }

func i64(bytes []byte, row int) int64 { return int64(binary.LittleEndian.Uint64(bytes[row*8:])) }

// batchOf makes columns of records.
func batchOf(records []Record) contract.RecordBatch {
	var keys, values, names, headers [][]byte
	offsets := binary.LittleEndian.AppendUint32(nil, 0)
	batch := contract.RecordBatch{Count: uint32(len(records))}
	for _, record := range records {
		keys, values = append(keys, record.Key), append(values, record.Value)
		batch.Timestamps = binary.LittleEndian.AppendUint64(batch.Timestamps, uint64(record.TimestampMs))
		for _, header := range record.Headers {
			names, headers = append(names, []byte(header.Name)), append(headers, header.Value)
		}
		offsets = binary.LittleEndian.AppendUint32(offsets, uint32(len(names)))
	}
	batch.Keys, batch.Values = columnOf(keys...), columnOf(values...)
	if len(names) > 0 {
		batch.Headers = contract.HeaderColumn{Offsets: offsets, Names: columnOf(names...), Values: columnOf(headers...)}
	}
	return batch
}

// recordsOf makes records of an output.
func recordsOf(output *contract.OutputBatch, name string, writes []contract.FieldDeclaration) ([]Record, error) {
	batch := &output.Batch
	keys, values := rowsOf(&batch.Keys), rowsOf(&batch.Values)
	if len(batch.Columns) > 0 {
		var err error
		if values, err = writeTyped(batch, writes); err != nil {
			return nil, err
		}
	}
	count := int(batch.Count)
	if len(keys) != count || len(values) != count || len(output.Sources) != 4*count || len(batch.Timestamps) != 8*count {
		return nil, fmt.Errorf("output %s has %d records, and columns of other lengths", name, count)
	}
	for _, validity := range [][]byte{batch.Keys.Validity, batch.Values.Validity} {
		if len(validity) != 0 && len(validity) != (count+7)/8 {
			return nil, fmt.Errorf("output %s has %d records, and a bitmap of %d bytes", name, count, len(validity))
		}
	}
	names, headers := rowsOf(&batch.Headers.Names), rowsOf(&batch.Headers.Values)
	var records []Record
	for row := range count {
		record := Record{
			Output: name, Source: int(u32(output.Sources, row)), Key: keys[row], Value: values[row],
			TimestampMs: i64(batch.Timestamps, row),
		}
		if len(batch.Headers.Offsets) > 0 {
			for at := u32(batch.Headers.Offsets, row); at < u32(batch.Headers.Offsets, row+1); at++ {
				record.Headers = append(record.Headers, Header{string(names[at]), headers[at]})
			}
		}
		records = append(records, record)
	}
	return records, nil
}

func failuresOf(column *contract.FailureColumn) []Failure {
	var failures []Failure
	for row, reason := range rowsOf(&column.Reasons) {
		failures = append(failures, Failure{int(u32(column.Records, row)), string(reason)})
	}
	return failures
}
