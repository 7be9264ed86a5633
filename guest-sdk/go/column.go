package millstream

import (
	"unsafe"

	"millstream.dev/millstream/contract"
)

// column reads a bytes-column.
type column struct {
	offsets []uint32
	data    []byte
	valid   []byte
}

var empty = []byte{}

func columnOf(c *contract.BytesColumn) column {
	data := c.Data
	if data == nil {
		data = empty
	}
	return column{offsets: numbers[uint32](c.Offsets), data: data, valid: c.Validity}
}

func (c *column) len() int { return max(len(c.offsets)-1, 0) }

func (c *column) isNull(row int) bool { return isNull(c.valid, row) }

// get returns a value that is never nil, or nil for a null.
func (c *column) get(row int) []byte {
	if isNull(c.valid, row) {
		return nil
	}
	start, end := c.offsets[row], c.offsets[row+1]
	return c.data[start:end:end]
}

func isNull(valid []byte, row int) bool {
	return len(valid) != 0 && valid[row>>3]>>(row&7)&1 == 0
}

// numbers sees little-endian bytes as the numbers that they are.
func numbers[T uint32 | int64 | float64](bytes []byte) []T {
	var one T
	width := int(unsafe.Sizeof(one))
	if len(bytes) < width {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(bytes))), len(bytes)/width)
}

// bytesOf sees numbers as little-endian bytes.
func bytesOf[T uint32 | int64 | float64](numbers []T) []byte {
	var one T
	if len(numbers) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(numbers))), len(numbers)*int(unsafe.Sizeof(one)))
}

// bitmap is a validity bitmap, empty as long as nothing is null.
type bitmap struct{ bits []byte }

// mark says of row, the last one, whether there is a value.
func (b *bitmap) mark(row int, present bool) {
	if len(b.bits) == 0 {
		if present {
			return
		}
		b.bits = b.bits[:0]
		for at := 0; at < row; at += 8 {
			b.bits = append(b.bits, 0xff)
		}
	}
	if row>>3 >= len(b.bits) {
		b.bits = append(b.bits, 0)
	}
	if present {
		b.bits[row>>3] |= 1 << (row & 7)
	} else {
		b.bits[row>>3] &^= 1 << (row & 7)
	}
}

func (b *bitmap) truncate(rows int) {
	b.bits = b.bits[:min(len(b.bits), (rows+7)>>3)]
}

func (b *bitmap) reset() { b.bits = b.bits[:0] }

// columnBuilder writes a bytes-column. Its memory is used again for the next one.
type columnBuilder struct {
	offsets []uint32
	data    []byte
	valid   bitmap
}

func (b *columnBuilder) reset() {
	b.offsets = append(b.offsets[:0], 0)
	b.data = b.data[:0]
	b.valid.reset()
}

func (b *columnBuilder) len() int { return max(len(b.offsets)-1, 0) }

// push appends a value; nil is a null.
func (b *columnBuilder) push(value []byte) {
	b.data = append(b.data, value...)
	b.end(value != nil)
}

// end closes a value whose bytes were appended to data.
func (b *columnBuilder) end(present bool) {
	if len(b.offsets) == 0 {
		b.offsets = append(b.offsets, 0)
	}
	if !present || len(b.valid.bits) != 0 {
		b.valid.mark(len(b.offsets)-1, present)
	}
	b.offsets = append(b.offsets, uint32(len(b.data)))
}

func (b *columnBuilder) pushText(value string) {
	b.data = append(b.data, value...)
	b.end(true)
}

// extend appends rows of another column.
func (b *columnBuilder) extend(from *column, start, end int) {
	if start >= end {
		return
	}
	first, last := from.offsets[start], from.offsets[end]
	shift := uint32(len(b.data)) - first
	if len(from.valid) != 0 || len(b.valid.bits) != 0 {
		for row := start; row < end; row++ {
			b.valid.mark(len(b.offsets)-1+row-start, !from.isNull(row))
		}
	}
	b.data = append(b.data, from.data[first:last]...)
	for _, offset := range from.offsets[start+1 : end+1] {
		b.offsets = append(b.offsets, offset+shift)
	}
}

// truncate takes back all rows but the first ones.
func (b *columnBuilder) truncate(rows int) {
	if rows >= b.len() {
		return
	}
	b.offsets = b.offsets[:rows+1]
	b.data = b.data[:b.offsets[rows]]
	b.valid.truncate(rows)
}

// finish shows what was written, which stays where it is until the next reset.
func (b *columnBuilder) finish() contract.BytesColumn {
	if len(b.offsets) == 0 {
		b.offsets = append(b.offsets, 0)
	}
	return contract.BytesColumn{Offsets: bytesOf(b.offsets), Data: b.data, Validity: b.valid.bits}
}
