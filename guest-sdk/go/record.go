package millstream

import (
	"encoding/json"
	"errors"
	"iter"
	"strings"
	"time"
	"unicode/utf8"
)

// Record is a record of the batch in hand. Byte slices that it returns are borrowed from the batch: use
// bytes.Clone for what is to stay. Texts are yours.
type Record struct {
	frame *frame
	row   int
}

// Key returns the key; nil: the record has none.
func (r Record) Key() []byte { return r.frame.keys.get(r.row) }

// KeyText returns the key as text.
func (r Record) KeyText() (string, error) {
	if r.frame.keys.isNull(r.row) {
		return "", errors.New("this record has no key")
	}
	text, ok := r.frame.keyTexts.get(&r.frame.keys, r.row)
	if !ok {
		return "", errors.New("the key is not UTF-8")
	}
	return text, nil
}

// Value returns the value; nil: the record is a tombstone.
func (r Record) Value() []byte {
	if r.frame.values.len() == 0 {
		return nil
	}
	return r.frame.values.get(r.row)
}

// Bytes returns the value of a record that is no tombstone.
func (r Record) Bytes() ([]byte, error) {
	if value := r.Value(); value != nil {
		return value, nil
	}
	return nil, ErrNoValue
}

// Text returns the value as text.
func (r Record) Text() (string, error) {
	if r.frame.values.len() == 0 || r.frame.values.isNull(r.row) {
		return "", ErrNoValue
	}
	text, ok := r.frame.valueTexts.get(&r.frame.values, r.row)
	if !ok {
		return "", errors.New("the value is not UTF-8")
	}
	return text, nil
}

// JSON reads the value as encoding/json does. Where records are many, declare the fields that you read instead: see
// [TypedProcessor].
func (r Record) JSON(into any) error {
	value, err := r.Bytes()
	if err != nil {
		return err
	}
	return json.Unmarshal(value, into)
}

// TimestampMs returns the event time, milliseconds since 1970-01-01T00:00:00Z.
func (r Record) TimestampMs() int64 { return r.frame.times[r.row] }

// Time returns the event time.
func (r Record) Time() time.Time { return time.UnixMilli(r.TimestampMs()).UTC() }

// Headers goes through the headers in order; a value may be nil.
func (r Record) Headers() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		h := &r.frame.headers
		if len(h.offsets) == 0 {
			return
		}
		for at := int(h.offsets[r.row]); at < int(h.offsets[r.row+1]); at++ {
			if !yield(string(h.names.get(at)), h.values.get(at)) {
				return
			}
		}
	}
}

// Header returns the value of the last header of a name: of a repeated header the last one counts, as in Kafka.
func (r Record) Header(name string) (value []byte, found bool) {
	for have, given := range r.Headers() {
		if have == name {
			value, found = given, true
		}
	}
	return value, found
}

// texts is a column as Go strings: one copy of the whole column, when the first text is asked for.
type texts struct {
	all    string
	copied bool
	// ascii: the whole column is, so that no text has to be looked at.
	ascii bool
}

func (t *texts) get(c *column, row int) (string, bool) {
	if !t.copied {
		t.all, t.copied, t.ascii = string(c.data), true, isASCII(c.data)
	}
	text := t.all[c.offsets[row]:c.offsets[row+1]]
	return text, t.ascii || utf8.ValidString(text)
}

func isASCII(data []byte) bool {
	for len(data) >= 8 {
		if (uint32(data[0])|uint32(data[1])|uint32(data[2])|uint32(data[3])|
			uint32(data[4])|uint32(data[5])|uint32(data[6])|uint32(data[7]))&0x80 != 0 {
			return false
		}
		data = data[8:]
	}
	for _, one := range data {
		if one >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// snake makes a name of the contract of a Go name: ByMerchant is by_merchant.
func snake(name string) string {
	var out strings.Builder
	for at, r := range name {
		if r >= 'A' && r <= 'Z' {
			if at > 0 {
				out.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		out.WriteRune(r)
	}
	return out.String()
}
