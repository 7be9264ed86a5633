package millstream

import "encoding/json"

// Optional is a typed field that may be null: records without it pass. In JSON it is its value, or null.
type Optional[T any] struct {
	// Value is the zero value where there is none.
	Value T
	// Valid: there is a value.
	Valid bool
}

// Some is a value that is there.
func Some[T any](value T) Optional[T] { return Optional[T]{value, true} }

// Or returns the value, or another one where there is none.
func (o Optional[T]) Or(otherwise T) T {
	if o.Valid {
		return o.Value
	}
	return otherwise
}

// MarshalJSON writes the value, or null.
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Valid {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// UnmarshalJSON reads a value, or null.
func (o *Optional[T]) UnmarshalJSON(text []byte) error {
	*o = Optional[T]{}
	if string(text) == "null" {
		return nil
	}
	o.Valid = true
	return json.Unmarshal(text, &o.Value)
}

func (Optional[T]) isOptional() {}

type optional interface{ isOptional() }
