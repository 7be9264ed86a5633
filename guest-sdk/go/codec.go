package millstream

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// How state is stored, as every Millstream SDK does it, so that an operator can be replaced by one in another language:
//
//	int8 to int64, uint8 to uint64, float32, float64   little-endian bytes of the width; int and uint have 64 bits
//	bool                                                one byte, 0 or 1
//	string                                              UTF-8
//	[]byte                                              the bytes
//	a type with AppendState and DecodeState             what these say
//	any other type                                      JSON, by encoding/json
//
// The tag `state:"name,json"` stores JSON whatever the type.

// StateAppender is a type that writes its own stored form: AppendState appends it to buffer. A type that has it needs
// DecodeState too.
type StateAppender interface {
	AppendState(buffer []byte) ([]byte, error)
}

// StateDecoder is a type that reads its own stored form. What it is given is borrowed.
type StateDecoder interface {
	DecodeState(stored []byte) error
}

// codec turns values into stored bytes and back.
type codec[T any] struct {
	encode func(buffer []byte, value *T) ([]byte, error)
	decode func(stored []byte, into *T) error
	// flat: an assignment copies everything.
	flat bool
}

func codecOf[T any](asJSON bool) codec[T] {
	var zero T
	_, appends := any(&zero).(StateAppender)
	_, decodes := any(&zero).(StateDecoder)
	switch {
	case asJSON:
		return codec[T]{encode: encodeJSON[T], decode: decodeJSON[T]}
	case appends && decodes:
		return codec[T]{
			encode: func(buffer []byte, value *T) ([]byte, error) {
				return any(value).(StateAppender).AppendState(buffer)
			},
			decode: func(stored []byte, into *T) error { return any(into).(StateDecoder).DecodeState(stored) },
		}
	}
	if made, ok := standard(&zero).(codec[T]); ok {
		return made
	}
	return codec[T]{encode: encodeJSON[T], decode: decodeJSON[T]}
}

// standard returns the codec of a type that is not stored as JSON.
func standard(zero any) any {
	switch zero.(type) {
	case *int:
		return fixed("an int", 8, func(v *int) uint64 { return uint64(*v) }, func(v *int, b uint64) { *v = int(b) })
	case *uint:
		return fixed("a uint", 8, func(v *uint) uint64 { return uint64(*v) }, func(v *uint, b uint64) { *v = uint(b) })
	case *int64:
		return fixed("an int64", 8, func(v *int64) uint64 { return uint64(*v) }, func(v *int64, b uint64) { *v = int64(b) })
	case *uint64:
		return fixed("a uint64", 8, func(v *uint64) uint64 { return *v }, func(v *uint64, b uint64) { *v = b })
	case *float64:
		return fixed("a float64", 8, func(v *float64) uint64 { return math.Float64bits(*v) },
			func(v *float64, b uint64) { *v = math.Float64frombits(b) })
	case *int32:
		return fixed("an int32", 4, func(v *int32) uint64 { return uint64(*v) }, func(v *int32, b uint64) { *v = int32(b) })
	case *uint32:
		return fixed("a uint32", 4, func(v *uint32) uint64 { return uint64(*v) }, func(v *uint32, b uint64) { *v = uint32(b) })
	case *float32:
		return fixed("a float32", 4, func(v *float32) uint64 { return uint64(math.Float32bits(*v)) },
			func(v *float32, b uint64) { *v = math.Float32frombits(uint32(b)) })
	case *int16:
		return fixed("an int16", 2, func(v *int16) uint64 { return uint64(*v) }, func(v *int16, b uint64) { *v = int16(b) })
	case *uint16:
		return fixed("a uint16", 2, func(v *uint16) uint64 { return uint64(*v) }, func(v *uint16, b uint64) { *v = uint16(b) })
	case *int8:
		return fixed("an int8", 1, func(v *int8) uint64 { return uint64(*v) }, func(v *int8, b uint64) { *v = int8(b) })
	case *uint8:
		return fixed("a uint8", 1, func(v *uint8) uint64 { return uint64(*v) }, func(v *uint8, b uint64) { *v = uint8(b) })
	case *bool:
		return codec[bool]{encode: encodeBool, decode: decodeBool, flat: true}
	case *string:
		return codec[string]{encode: encodeText, decode: decodeText, flat: true}
	case *[]byte:
		return codec[[]byte]{
			encode: func(buffer []byte, value *[]byte) ([]byte, error) { return append(buffer, *value...), nil },
			decode: func(stored []byte, into *[]byte) error {
				*into = append([]byte{}, stored...)
				return nil
			},
		}
	}
	return nil
}

func fixed[T any](name string, width int, bits func(*T) uint64, set func(*T, uint64)) codec[T] {
	return codec[T]{
		encode: func(buffer []byte, value *T) ([]byte, error) {
			var all [8]byte
			binary.LittleEndian.PutUint64(all[:], bits(value))
			return append(buffer, all[:width]...), nil
		},
		decode: func(stored []byte, into *T) error {
			if len(stored) != width {
				return fmt.Errorf("%s takes %d bytes, not %d", name, width, len(stored))
			}
			var all [8]byte
			copy(all[:], stored)
			set(into, binary.LittleEndian.Uint64(all[:]))
			return nil
		},
		flat: true,
	}
}

func encodeBool(buffer []byte, value *bool) ([]byte, error) {
	if *value {
		return append(buffer, 1), nil
	}
	return append(buffer, 0), nil
}

func decodeBool(stored []byte, into *bool) error {
	if len(stored) != 1 || stored[0] > 1 {
		return errors.New("a bool must be one byte, 0 or 1")
	}
	*into = stored[0] == 1
	return nil
}

func encodeText(buffer []byte, value *string) ([]byte, error) {
	if !utf8.ValidString(*value) {
		return nil, errors.New("the text is not UTF-8")
	}
	return append(buffer, *value...), nil
}

func decodeText(stored []byte, into *string) error {
	if !utf8.Valid(stored) {
		return errors.New("the text is not UTF-8")
	}
	*into = string(stored)
	return nil
}

func encodeJSON[T any](buffer []byte, value *T) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return append(buffer, bytes.TrimSuffix(out.Bytes(), []byte{'\n'})...), nil
}

func decodeJSON[T any](stored []byte, into *T) error { return json.Unmarshal(stored, into) }
