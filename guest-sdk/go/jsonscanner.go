package millstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"unsafe"
)

// deepest bounds how deep values may be within each other.
const deepest = 512

var errDeep = errors.New("the JSON is too deep")

// scanner goes through JSON text.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) members(visit func(string, JSONValue) error, depth int) error {
	if depth > deepest {
		return errDeep
	}
	if !s.take('{') {
		return s.expected("an object")
	}
	if s.space(); s.take('}') {
		return nil
	}
	for {
		start := s.at
		escaped, err := s.string()
		if err != nil {
			return err
		}
		name := s.text[start:s.at]
		if s.space(); !s.take(':') {
			return s.expected("a colon")
		}
		s.space()
		start = s.at
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if visit != nil {
			plain := unsafe.String(&name[1], len(name)-2)
			if escaped {
				// In a variable of its own, since what is unmarshalled into is allocated.
				var unescaped string
				if err := json.Unmarshal(name, &unescaped); err != nil {
					return err
				}
				plain = unescaped
			}
			if err := visit(plain, s.text[start:s.at:s.at]); err != nil {
				return err
			}
		}
		if s.space(); s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.expected("a comma or `}`")
		}
		s.space()
	}
}

func (s *scanner) elements(visit func(JSONValue) error, depth int) error {
	if depth > deepest {
		return errDeep
	}
	if !s.take('[') {
		return s.expected("an array")
	}
	if s.space(); s.take(']') {
		return nil
	}
	for {
		start := s.at
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if visit != nil {
			if err := visit(s.text[start:s.at:s.at]); err != nil {
				return err
			}
		}
		if s.space(); s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.expected("a comma or `]`")
		}
		s.space()
	}
}

// value goes over a value of any kind.
func (s *scanner) value(depth int) error {
	if s.at >= len(s.text) {
		return s.expected("a value")
	}
	switch s.text[s.at] {
	case '"':
		_, err := s.string()
		return err
	case '{':
		return s.members(nil, depth)
	case '[':
		return s.elements(nil, depth)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	}
	return s.number()
}

// string goes over a text with its quotes, and says whether there are escapes in it.
func (s *scanner) string() (escaped bool, err error) {
	if !s.take('"') {
		return false, s.expected("a text")
	}
	text, at := s.text, s.at
	for at < len(text) {
		one := text[at]
		at++
		if one > '"' && one != '\\' || one == ' ' || one == '!' {
			continue
		}
		s.at = at
		switch one {
		case '"':
			return escaped, nil
		case '\\':
			if err := s.escape(); err != nil {
				return true, err
			}
			escaped, at = true, s.at
		default:
			s.at--
			return escaped, s.expected("no control character")
		}
	}
	s.at = at
	return escaped, s.expected("the end of a text")
}

func (s *scanner) escape() error {
	if s.at < len(s.text) {
		one := s.text[s.at]
		s.at++
		switch one {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			return nil
		case 'u':
			for digits := 0; digits < 4; digits++ {
				if s.at >= len(s.text) || !isHex(s.text[s.at]) {
					return s.expected("a hexadecimal digit")
				}
				s.at++
			}
			return nil
		}
		s.at--
	}
	return s.expected("an escape")
}

func isHex(one byte) bool {
	return one >= '0' && one <= '9' || one|0x20 >= 'a' && one|0x20 <= 'f'
}

func (s *scanner) number() error {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return s.expected("a value")
	}
	if s.take('.') && !s.digits() {
		return s.expected("a digit")
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.expected("a digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	text, at := s.text, s.at
	for at < len(text) && text[at]-'0' <= 9 {
		at++
	}
	found := at > s.at
	s.at = at
	return found
}

func (s *scanner) word(word string) error {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return s.expected("a value")
	}
	s.at += len(word)
	return nil
}

func (s *scanner) take(one byte) bool {
	if s.at < len(s.text) && s.text[s.at] == one {
		s.at++
		return true
	}
	return false
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\n', '\r', '\t':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) end() error {
	if s.space(); s.at < len(s.text) {
		return s.expected("nothing more")
	}
	return nil
}

func (s *scanner) expected(what string) error {
	return fmt.Errorf("this is no JSON: %s is expected at byte %d", what, s.at)
}
