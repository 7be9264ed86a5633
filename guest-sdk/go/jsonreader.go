package millstream

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// JSONValue is the text of a JSON value, without spaces around it. It is borrowed from what it was read from.
//
// Reading members one after another, without reflection, costs about a quarter of what encoding/json does:
//
//	var user string
//	err := record.Members(func(name string, value millstream.JSONValue) (err error) {
//		if name == "user" {
//			user, err = value.Text()
//		}
//		return err
//	})
type JSONValue []byte

// Members goes through the members of the record's value, which must be a JSON object, in order. The whole value is
// checked, also what is not looked at. The name is borrowed: use strings.Clone to keep it.
func (r Record) Members(visit func(name string, value JSONValue) error) error {
	value, err := r.Bytes()
	if err != nil {
		return err
	}
	return ReadMembers(value, visit)
}

// ReadMembers goes through the members of a JSON object as [Record.Members] does.
func ReadMembers(object []byte, visit func(name string, value JSONValue) error) error {
	if !utf8.Valid(object) {
		return errors.New("the value is not UTF-8")
	}
	s := scanner{text: object}
	s.space()
	if err := s.members(visit, 0); err != nil {
		return err
	}
	return s.end()
}

// Members goes through the members of an object.
func (v JSONValue) Members(visit func(name string, value JSONValue) error) error {
	s := scanner{text: v}
	return s.members(visit, 0)
}

// Elements goes through the elements of an array.
func (v JSONValue) Elements(visit func(value JSONValue) error) error {
	s := scanner{text: v}
	return s.elements(visit, 0)
}

// IsNull says whether the value is null.
func (v JSONValue) IsNull() bool { return string(v) == "null" }

// Text reads a text, which is yours.
func (v JSONValue) Text() (string, error) {
	if len(v) < 2 || v[0] != '"' {
		return "", v.isNo("text")
	}
	if bytes.IndexByte(v, '\\') < 0 {
		return string(v[1 : len(v)-1]), nil
	}
	var text string
	err := json.Unmarshal(v, &text)
	return text, err
}

// Int reads an integer of 64 bits.
func (v JSONValue) Int() (int64, error) {
	number, err := strconv.ParseInt(unsafe.String(unsafe.SliceData(v), len(v)), 10, 64)
	if err != nil {
		return 0, v.isNo("integer of 64 bits")
	}
	return number, nil
}

// Float reads a number.
func (v JSONValue) Float() (float64, error) {
	if len(v) == 0 || v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return 0, v.isNo("number")
	}
	number, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(v), len(v)), 64)
	if err != nil {
		return 0, v.isNo("number")
	}
	return number, nil
}

// Bool reads a truth value.
func (v JSONValue) Bool() (bool, error) {
	switch string(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, v.isNo("truth value")
}

func (v JSONValue) isNo(kind string) error {
	shown := string(v)
	if len(shown) > 40 {
		shown = shown[:40] + ".."
	}
	return fmt.Errorf("`%s` is no %s", shown, kind)
}
