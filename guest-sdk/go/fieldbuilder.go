package millstream

import (
	"fmt"
	"unicode/utf8"
	"unsafe"

	"millstream.dev/millstream/contract"
)

// fieldBuilder writes a field of structs as a column.
type fieldBuilder struct {
	field
	rows   int
	ints   []int64
	floats []float64
	bits   []byte
	bytes  columnBuilder
	valid  bitmap
}

func (b *fieldBuilder) reset() {
	b.rows = 0
	b.ints, b.floats, b.bits = b.ints[:0], b.floats[:0], b.bits[:0]
	b.bytes.reset()
	b.valid.reset()
}

// check says why the field of a struct cannot be written, if so.
func (b *fieldBuilder) check(from unsafe.Pointer) error {
	value := unsafe.Add(from, b.at)
	if b.Optional && !*(*bool)(unsafe.Add(from, b.validAt)) {
		return nil
	}
	switch b.Kind {
	case contract.UTF8:
		if !utf8.ValidString(*(*string)(value)) {
			return fmt.Errorf("%s is not UTF-8", b.Path)
		}
	case contract.Float64:
		if number := *(*float64)(value); number-number != 0 {
			return noForm(b.Path, number)
		}
	case contract.Bytes:
		if !b.Optional && *(*[]byte)(value) == nil {
			return fmt.Errorf("%s is nil, and not declared Optional", b.Path)
		}
	}
	return nil
}

// noForm is why a number that is none, or has no end, cannot be written.
func noForm(path string, number float64) error {
	return fmt.Errorf("%s: %v has no form in JSON", path, number)
}

// push appends the field of a struct.
func (b *fieldBuilder) push(from unsafe.Pointer) {
	value := unsafe.Add(from, b.at)
	present := !b.Optional || *(*bool)(unsafe.Add(from, b.validAt))
	switch b.Kind {
	case contract.Int64:
		number := int64(0)
		if present {
			number = *(*int64)(value)
		}
		b.ints = append(b.ints, number)
	case contract.Float64:
		number := 0.0
		if present {
			number = *(*float64)(value)
		}
		b.floats = append(b.floats, number)
	case contract.Boolean:
		b.pushBit(present && *(*bool)(value))
	case contract.UTF8:
		if present {
			b.bytes.data = append(b.bytes.data, *(*string)(value)...)
		}
		b.bytes.offsets = append(b.bytes.offsets, uint32(len(b.bytes.data)))
	case contract.Bytes:
		if present {
			bytes := *(*[]byte)(value)
			present = bytes != nil
			b.bytes.data = append(b.bytes.data, bytes...)
		}
		b.bytes.offsets = append(b.bytes.offsets, uint32(len(b.bytes.data)))
	}
	if b.Optional {
		b.valid.mark(b.rows, present)
	}
	b.rows++
}

func (b *fieldBuilder) pushBit(bit bool) {
	if b.rows>>3 >= len(b.bits) {
		b.bits = append(b.bits, 0)
	}
	if bit {
		b.bits[b.rows>>3] |= 1 << (b.rows & 7)
	} else {
		b.bits[b.rows>>3] &^= 1 << (b.rows & 7)
	}
}

func (b *fieldBuilder) truncate(rows int) {
	b.rows = rows
	b.valid.truncate(rows)
	switch b.Kind {
	case contract.Int64:
		b.ints = b.ints[:rows]
	case contract.Float64:
		b.floats = b.floats[:rows]
	case contract.Boolean:
		b.bits = b.bits[:(rows+7)>>3]
	case contract.UTF8, contract.Bytes:
		b.bytes.offsets = b.bytes.offsets[:rows+1]
		b.bytes.data = b.bytes.data[:b.bytes.offsets[rows]]
	}
}

// finish shows the column, which stays where it is until the next reset.
func (b *fieldBuilder) finish() contract.TypedColumn {
	column := contract.TypedColumn{Name: b.Path, Kind: b.Kind, Validity: b.valid.bits}
	switch b.Kind {
	case contract.Int64:
		column.Data = bytesOf(b.ints)
	case contract.Float64:
		column.Data = bytesOf(b.floats)
	case contract.Boolean:
		column.Data = b.bits
	case contract.UTF8, contract.Bytes:
		column.Offsets, column.Data = bytesOf(b.bytes.offsets), b.bytes.data
	}
	return column
}
