package main

import (
	"encoding/json"
	"strconv"

	"millstream.dev/millstream"
)

// A history is stored as JSON with short names, {"m":[[minute,count,cents],..],"l":LAST,"c":COUNTRY}, as the operator
// in any other language stores it. It is written by hand, and read by hand as long as it is as it was written.

// AppendState appends the stored form.
func (h *History) AppendState(buffer []byte) ([]byte, error) {
	buffer = append(buffer, `{"m":[`...)
	for at, slice := range h.Slices {
		if at > 0 {
			buffer = append(buffer, ',')
		}
		buffer = strconv.AppendInt(append(buffer, '['), slice.Minute, 10)
		buffer = strconv.AppendInt(append(buffer, ','), slice.Count, 10)
		buffer = strconv.AppendInt(append(buffer, ','), slice.Cents, 10)
		buffer = append(buffer, ']')
	}
	buffer = append(buffer, `],"l":`...)
	if h.LastMs.Valid {
		buffer = strconv.AppendInt(buffer, h.LastMs.Value, 10)
	} else {
		buffer = append(buffer, "null"...)
	}
	buffer = append(buffer, `,"c":`...)
	if h.Country.Valid {
		buffer = millstream.AppendText(buffer, h.Country.Value)
	} else {
		buffer = append(buffer, "null"...)
	}
	return append(buffer, '}'), nil
}

// DecodeState reads a stored form.
func (h *History) DecodeState(stored []byte) error {
	reader := reader{stored}
	if reader.history(h) {
		return nil
	}
	var any struct {
		M [][3]int64 `json:"m"`
		L *int64     `json:"l"`
		C *string    `json:"c"`
	}
	if err := json.Unmarshal(stored, &any); err != nil {
		return err
	}
	*h = History{}
	for _, slice := range any.M {
		h.Slices = append(h.Slices, Slice{slice[0], slice[1], slice[2]})
	}
	if any.L != nil {
		h.LastMs = millstream.Some(*any.L)
	}
	if any.C != nil {
		h.Country = millstream.Some(*any.C)
	}
	return nil
}

// reader reads what AppendState writes, and nothing else.
type reader struct{ rest []byte }

func (r *reader) history(into *History) bool {
	*into = History{}
	if !r.take(`{"m":[`) {
		return false
	}
	for !r.take(`]`) {
		var slice Slice
		if len(into.Slices) > 0 && !r.take(`,`) {
			return false
		}
		if !r.take(`[`) || !r.number(&slice.Minute) || !r.take(`,`) || !r.number(&slice.Count) || !r.take(`,`) ||
			!r.number(&slice.Cents) || !r.take(`]`) {
			return false
		}
		into.Slices = append(into.Slices, slice)
	}
	if !r.take(`,"l":`) || !r.number(&into.LastMs.Value) || !r.take(`,"c":`) {
		return false
	}
	into.LastMs.Valid = true
	if r.take(`null}`) {
		return len(r.rest) == 0
	}
	if !r.take(`"`) {
		return false
	}
	end := 0
	for end < len(r.rest) && r.rest[end] != '"' && r.rest[end] != '\\' {
		end++
	}
	into.Country = millstream.Some(string(r.rest[:end]))
	r.rest = r.rest[end:]
	return r.take(`"}`) && len(r.rest) == 0
}

func (r *reader) take(text string) bool {
	if len(r.rest) < len(text) || string(r.rest[:len(text)]) != text {
		return false
	}
	r.rest = r.rest[len(text):]
	return true
}

func (r *reader) number(into *int64) bool {
	sign := int64(1)
	if r.take("-") {
		sign = -1
	}
	digits := 0
	for digits < len(r.rest) && digits < 18 && r.rest[digits] >= '0' && r.rest[digits] <= '9' {
		*into = *into*10 + int64(r.rest[digits]-'0')
		digits++
	}
	*into *= sign
	r.rest = r.rest[digits:]
	return digits > 0
}
