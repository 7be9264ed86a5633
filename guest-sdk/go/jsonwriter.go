package millstream

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// JSONWriter writes JSON without reflection: fields in the order in which they are written, no spaces, numbers as
// every Millstream SDK writes them (1.0 is 1.0).
//
//	w := ctx.Writer().Object()
//	w.Text("user", user).Float("total", total).EndObject()
//	return ctx.Emit(millstream.Bytes(w.Bytes()))
//
// The names of members are written as they are: they must need no escapes.
type JSONWriter struct {
	buffer []byte
	// comma: something stands before what comes next.
	comma bool
}

// Bytes is what was written, good until Reset.
func (w *JSONWriter) Bytes() []byte { return w.buffer }

// Reset forgets what was written.
func (w *JSONWriter) Reset() { w.buffer, w.comma = w.buffer[:0], false }

// Object begins an object that stands alone or is an element.
func (w *JSONWriter) Object() *JSONWriter { return w.open('{') }

// EndObject ends an object.
func (w *JSONWriter) EndObject() *JSONWriter { return w.close('}') }

// Array begins an array that stands alone or is an element.
func (w *JSONWriter) Array() *JSONWriter { return w.open('[') }

// EndArray ends an array.
func (w *JSONWriter) EndArray() *JSONWriter { return w.close(']') }

// Member begins a member whose value comes next: an Object, an Array or a Value.
func (w *JSONWriter) Member(name string) *JSONWriter {
	if w.comma {
		w.buffer = append(w.buffer, ',')
	}
	w.buffer = append(w.buffer, '"')
	w.buffer = append(w.buffer, name...)
	w.buffer = append(w.buffer, '"', ':')
	w.comma = false
	return w
}

// Raw writes a member whose value is JSON already.
func (w *JSONWriter) Raw(name string, value []byte) *JSONWriter {
	w.Member(name)
	w.buffer = append(w.buffer, value...)
	w.comma = true
	return w
}

// Text writes a member that is a text.
func (w *JSONWriter) Text(name, value string) *JSONWriter {
	w.Member(name)
	w.buffer = AppendText(w.buffer, value)
	w.comma = true
	return w
}

// Int writes a member that is an integer.
func (w *JSONWriter) Int(name string, value int64) *JSONWriter {
	w.Member(name)
	w.buffer = strconv.AppendInt(w.buffer, value, 10)
	w.comma = true
	return w
}

// Float writes a member that is a number; one that JSON does not have is null.
func (w *JSONWriter) Float(name string, value float64) *JSONWriter {
	w.Member(name)
	w.buffer = AppendFloat(w.buffer, value)
	w.comma = true
	return w
}

// Bool writes a member that is true or false.
func (w *JSONWriter) Bool(name string, value bool) *JSONWriter {
	w.Member(name)
	w.buffer = strconv.AppendBool(w.buffer, value)
	w.comma = true
	return w
}

// Null writes a member that is null.
func (w *JSONWriter) Null(name string) *JSONWriter { return w.Raw(name, []byte("null")) }

// Value writes JSON as it is: an element of an array, or the value of a Member.
func (w *JSONWriter) Value(value []byte) *JSONWriter {
	if w.comma {
		w.buffer = append(w.buffer, ',')
	}
	w.buffer = append(w.buffer, value...)
	w.comma = true
	return w
}

func (w *JSONWriter) open(bracket byte) *JSONWriter {
	if w.comma {
		w.buffer = append(w.buffer, ',')
	}
	w.buffer = append(w.buffer, bracket)
	w.comma = false
	return w
}

func (w *JSONWriter) close(bracket byte) *JSONWriter {
	w.buffer = append(w.buffer, bracket)
	w.comma = true
	return w
}

// AppendText appends a text as JSON. What is not UTF-8 becomes U+FFFD.
func AppendText(buffer []byte, text string) []byte {
	buffer = append(buffer, '"')
	from := 0
	for at := 0; at < len(text); {
		one := text[at]
		if one >= ' ' && one < utf8.RuneSelf && one != '"' && one != '\\' {
			at++
			continue
		}
		width := 1
		if one >= utf8.RuneSelf {
			var r rune
			if r, width = utf8.DecodeRuneInString(text[at:]); r != utf8.RuneError || width > 1 {
				at += width
				continue
			}
		}
		buffer = append(buffer, text[from:at]...)
		buffer = appendEscape(buffer, one)
		at += width
		from = at
	}
	buffer = append(buffer, text[from:]...)
	return append(buffer, '"')
}

func appendEscape(buffer []byte, one byte) []byte {
	switch one {
	case '"', '\\':
		return append(buffer, '\\', one)
	case '\n':
		return append(buffer, '\\', 'n')
	case '\r':
		return append(buffer, '\\', 'r')
	case '\t':
		return append(buffer, '\\', 't')
	case '\b':
		return append(buffer, '\\', 'b')
	case '\f':
		return append(buffer, '\\', 'f')
	}
	if one >= utf8.RuneSelf {
		return append(buffer, "\uFFFD"...)
	}
	const hex = "0123456789abcdef"
	return append(buffer, '\\', 'u', '0', '0', hex[one>>4], hex[one&15])
}

// AppendFloat appends a number as every Millstream SDK writes it: the shortest digits that give it back, with a point
// (1.0), and with an exponent below 1e-5 and from 1e16 on. NaN and the infinities are null, as JSON has none.
func AppendFloat(buffer []byte, value float64) []byte {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return append(buffer, "null"...)
	}
	if value == math.Trunc(value) && math.Abs(value) < 1e15 {
		if value == 0 && math.Signbit(value) {
			return append(buffer, "-0.0"...)
		}
		buffer = strconv.AppendInt(buffer, int64(value), 10)
		return append(buffer, '.', '0')
	}
	if size := math.Abs(value); size >= 1e-5 && size < 1e16 {
		from := len(buffer)
		buffer = strconv.AppendFloat(buffer, value, 'f', -1, 64)
		for _, one := range buffer[from:] {
			if one == '.' {
				return buffer
			}
		}
		return append(buffer, '.', '0')
	}
	var digits [32]byte
	text := strconv.AppendFloat(digits[:0], value, 'e', -1, 64)
	// The exponent has no leading zero.
	for at, one := range text {
		if one == 'e' {
			buffer = append(buffer, text[:at+2]...)
			exponent := text[at+2:]
			for len(exponent) > 1 && exponent[0] == '0' {
				exponent = exponent[1:]
			}
			return append(buffer, exponent...)
		}
	}
	return append(buffer, text...)
}
