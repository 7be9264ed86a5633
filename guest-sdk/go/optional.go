package millstream

// Optional is a typed field that may be null: records without it pass.
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

func (Optional[T]) isOptional() {}

type optional interface{ isOptional() }
