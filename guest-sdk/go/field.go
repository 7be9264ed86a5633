package millstream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Field is what fields of a [Map] may be. They sort as their bytes do: integers are stored big-endian, signed ones
// with the sign bit flipped. An int has 64 bits.
type Field interface {
	string | int | int32 | int64 | uint16 | uint32 | uint64
}

// appendField appends the bytes of a field.
func appendField[K Field](buffer []byte, field K) []byte {
	switch field := any(field).(type) {
	case string:
		return append(buffer, field...)
	case int:
		return binary.BigEndian.AppendUint64(buffer, uint64(field)^1<<63)
	case int64:
		return binary.BigEndian.AppendUint64(buffer, uint64(field)^1<<63)
	case uint64:
		return binary.BigEndian.AppendUint64(buffer, field)
	case int32:
		return binary.BigEndian.AppendUint32(buffer, uint32(field)^1<<31)
	case uint32:
		return binary.BigEndian.AppendUint32(buffer, field)
	case uint16:
		return binary.BigEndian.AppendUint16(buffer, field)
	}
	return buffer
}

// readField reads a field back.
func readField[K Field](stored []byte) (K, error) {
	var field K
	width := 8
	switch into := any(&field).(type) {
	case *string:
		if !utf8.Valid(stored) {
			return field, errors.New("the field is not UTF-8")
		}
		*into = string(stored)
		return field, nil
	case *int32, *uint32:
		width = 4
	case *uint16:
		width = 2
	}
	if len(stored) != width {
		return field, fmt.Errorf("a field of %d bytes is no %T", len(stored), field)
	}
	switch into := any(&field).(type) {
	case *int:
		*into = int(binary.BigEndian.Uint64(stored) ^ 1<<63)
	case *int64:
		*into = int64(binary.BigEndian.Uint64(stored) ^ 1<<63)
	case *uint64:
		*into = binary.BigEndian.Uint64(stored)
	case *int32:
		*into = int32(binary.BigEndian.Uint32(stored) ^ 1<<31)
	case *uint32:
		*into = binary.BigEndian.Uint32(stored)
	case *uint16:
		*into = binary.BigEndian.Uint16(stored)
	}
	return field, nil
}
