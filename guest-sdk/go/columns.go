package millstream

import (
	"strings"

	"millstream.dev/millstream/contract"
)

func cutOption(tag, option string) (rest string, found bool) {
	rest, options, _ := strings.Cut(tag, ",")
	return rest, options == option
}

// columnReader is a column that was passed.
type columnReader interface {
	kind() contract.ColumnType
	bind(column *contract.TypedColumn)
}

// nulls says which values of a column are null; only those of optional fields are.
type nulls struct{ valid []byte }

// IsNull says whether the value of a record is null.
func (n *nulls) IsNull(row int) bool { return isNull(n.valid, row) }

// HasNulls says whether any value is null.
func (n *nulls) HasNulls() bool { return len(n.valid) > 0 }

// Int64s is a column of integers.
type Int64s struct {
	nulls
	// Values has one number for each record, anything where it is null. It is the host's memory: borrowed.
	Values []int64
}

func (c *Int64s) kind() contract.ColumnType { return contract.Int64 }
func (c *Int64s) bind(column *contract.TypedColumn) {
	c.valid, c.Values = column.Validity, numbers[int64](column.Data)
}

// Float64s is a column of numbers.
type Float64s struct {
	nulls
	// Values has one number for each record, anything where it is null. It is the host's memory: borrowed.
	Values []float64
}

func (c *Float64s) kind() contract.ColumnType { return contract.Float64 }
func (c *Float64s) bind(column *contract.TypedColumn) {
	c.valid, c.Values = column.Validity, numbers[float64](column.Data)
}

// Bools is a column of truth values.
type Bools struct {
	nulls
	bits []byte
}

// At is the value of a record.
func (c *Bools) At(row int) bool { return c.bits[row>>3]>>(row&7)&1 == 1 }

func (c *Bools) kind() contract.ColumnType { return contract.Boolean }
func (c *Bools) bind(column *contract.TypedColumn) {
	c.valid, c.bits = column.Validity, column.Data
}

// Texts is a column of texts.
type Texts struct {
	nulls
	offsets []uint32
	all     string
}

// At is the text of a record, yours to keep.
func (c *Texts) At(row int) string { return c.all[c.offsets[row]:c.offsets[row+1]] }

func (c *Texts) kind() contract.ColumnType { return contract.UTF8 }
func (c *Texts) bind(column *contract.TypedColumn) {
	c.valid, c.offsets, c.all = column.Validity, numbers[uint32](column.Offsets), string(column.Data)
}

// JSONs is a column of any JSON values.
type JSONs struct {
	nulls
	offsets []uint32
	all     []byte
}

// At is the JSON text of a record's value: borrowed.
func (c *JSONs) At(row int) []byte { return c.all[c.offsets[row]:c.offsets[row+1]] }

func (c *JSONs) kind() contract.ColumnType { return contract.Bytes }
func (c *JSONs) bind(column *contract.TypedColumn) {
	c.valid, c.offsets, c.all = column.Validity, numbers[uint32](column.Offsets), column.Data
}

// columnWriter is a column of results.
type columnWriter interface {
	kind() contract.ColumnType
	reset()
	rows() int
	column() (column contract.TypedColumn, hasNull bool)
}

// Int64Writer writes a column of integers.
type Int64Writer struct {
	values []int64
	valid  bitmap
}

// Append appends a value.
func (c *Int64Writer) Append(value int64) { c.append(value, true) }

// AppendNull appends a null.
func (c *Int64Writer) AppendNull() { c.append(0, false) }

func (c *Int64Writer) append(value int64, present bool) {
	if !present || len(c.valid.bits) > 0 {
		c.valid.mark(len(c.values), present)
	}
	c.values = append(c.values, value)
}

func (c *Int64Writer) kind() contract.ColumnType { return contract.Int64 }
func (c *Int64Writer) rows() int                 { return len(c.values) }

func (c *Int64Writer) reset() {
	c.values = c.values[:0]
	c.valid.reset()
}

func (c *Int64Writer) column() (contract.TypedColumn, bool) {
	return contract.TypedColumn{Kind: contract.Int64, Data: bytesOf(c.values), Validity: c.valid.bits}, len(c.valid.bits) > 0
}

// Float64Writer writes a column of numbers.
type Float64Writer struct {
	values []float64
	valid  bitmap
	// odd is the last number that has no form in JSON, if there is any.
	odd float64
}

// Append appends a number. One that JSON has no form of, such as infinity, fails the batch: fail its record instead.
func (c *Float64Writer) Append(value float64) { c.append(value, true) }

// AppendNull appends a null.
func (c *Float64Writer) AppendNull() { c.append(0, false) }

func (c *Float64Writer) append(value float64, present bool) {
	if !present || len(c.valid.bits) > 0 {
		c.valid.mark(len(c.values), present)
	}
	if value-value != 0 {
		c.odd = value
	}
	c.values = append(c.values, value)
}

func (c *Float64Writer) kind() contract.ColumnType { return contract.Float64 }
func (c *Float64Writer) rows() int                 { return len(c.values) }

func (c *Float64Writer) reset() {
	c.values, c.odd = c.values[:0], 0
	c.valid.reset()
}

func (c *Float64Writer) column() (contract.TypedColumn, bool) {
	return contract.TypedColumn{Kind: contract.Float64, Data: bytesOf(c.values), Validity: c.valid.bits}, len(c.valid.bits) > 0
}

// BoolWriter writes a column of truth values.
type BoolWriter struct{ builder fieldBuilder }

// Append appends a value.
func (c *BoolWriter) Append(value bool) { c.append(value, true) }

// AppendNull appends a null.
func (c *BoolWriter) AppendNull() { c.append(false, false) }

func (c *BoolWriter) append(value, present bool) {
	c.builder.pushBit(value)
	if !present || len(c.builder.valid.bits) > 0 {
		c.builder.valid.mark(c.builder.rows, present)
	}
	c.builder.rows++
}

func (c *BoolWriter) kind() contract.ColumnType { return contract.Boolean }
func (c *BoolWriter) rows() int                 { return c.builder.rows }
func (c *BoolWriter) reset()                    { c.builder.reset() }

func (c *BoolWriter) column() (contract.TypedColumn, bool) {
	valid := c.builder.valid.bits
	return contract.TypedColumn{Kind: contract.Boolean, Data: c.builder.bits, Validity: valid}, len(valid) > 0
}

// TextWriter writes a column of texts.
type TextWriter struct{ builder columnBuilder }

// Append appends a text, which must be UTF-8.
func (c *TextWriter) Append(value string) { c.builder.pushText(value) }

// AppendBytes appends a text, which must be UTF-8.
func (c *TextWriter) AppendBytes(value []byte) {
	c.builder.data = append(c.builder.data, value...)
	c.builder.end(true)
}

// AppendNull appends a null.
func (c *TextWriter) AppendNull() { c.builder.end(false) }

func (c *TextWriter) kind() contract.ColumnType { return contract.UTF8 }
func (c *TextWriter) rows() int                 { return c.builder.len() }
func (c *TextWriter) reset()                    { c.builder.reset() }

func (c *TextWriter) column() (contract.TypedColumn, bool) {
	written := c.builder.finish()
	return contract.TypedColumn{
		Kind: contract.UTF8, Offsets: written.Offsets, Data: written.Data, Validity: written.Validity,
	}, len(written.Validity) > 0
}

// JSONWriters writes a column of any JSON values.
type JSONWriters struct{ builder columnBuilder }

// Append appends a JSON text.
func (c *JSONWriters) Append(value []byte) {
	c.builder.data = append(c.builder.data, value...)
	c.builder.end(true)
}

// AppendNull appends a null.
func (c *JSONWriters) AppendNull() { c.builder.end(false) }

func (c *JSONWriters) kind() contract.ColumnType { return contract.Bytes }
func (c *JSONWriters) rows() int                 { return c.builder.len() }
func (c *JSONWriters) reset()                    { c.builder.reset() }

func (c *JSONWriters) column() (contract.TypedColumn, bool) {
	written := c.builder.finish()
	return contract.TypedColumn{
		Kind: contract.Bytes, Offsets: written.Offsets, Data: written.Data, Validity: written.Validity,
	}, len(written.Validity) > 0
}
