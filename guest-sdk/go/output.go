package millstream

// Output is a record to emit: a value, and whatever differs from the record in hand. Key, event time and headers are
// those of the record unless said otherwise; what is not touched costs next to nothing.
//
//	ctx.Emit(millstream.JSON(scored).To("scores").Key([]byte("u17")).Header("model", []byte("score@1.0.0")))
type Output struct {
	kind        valueKind
	keyKind     keyKind
	hasTime     bool
	dropHeaders bool
	timestampMs int64
	name        string
	value       []byte
	any         any
	key         []byte
	headers     []header
}

type header struct {
	name  string
	value []byte
}

type valueKind uint8

const (
	sameValue valueKind = iota
	givenValue
	jsonValue
	writtenValue
	noValue
)

type keyKind uint8

const (
	inheritedKey keyKind = iota
	givenKey
	noKey
)

// Same is the record's value as it is.
func Same() Output { return Output{kind: sameValue} }

// Bytes is a value of these bytes.
func Bytes(value []byte) Output { return Output{kind: givenValue, value: value} }

// Text is a value of this text.
func Text(value string) Output { return Output{kind: writtenValue, any: textWriter(value)} }

// JSON is a value as encoding/json writes it, without escaping <, > and &. Where records are many, emit typed fields
// or write with a [JSONWriter] instead.
func JSON(value any) Output { return Output{kind: jsonValue, any: value} }

// Written is what write appends to the buffer that it is given and returns: for formats of your own, without a copy.
func Written(write func(buffer []byte) ([]byte, error)) Output {
	return Output{kind: writtenValue, any: funcWriter(write)}
}

// Tombstone is no value: it deletes the key where the topic is compacted.
func Tombstone() Output { return Output{kind: noValue} }

// To sends the record to a named output. Without it, it goes to the main one.
func (o Output) To(name string) Output {
	o.name = name
	return o
}

// Key gives the record this key.
func (o Output) Key(key []byte) Output {
	o.keyKind, o.key = givenKey, key
	return o
}

// KeyText gives the record this key.
func (o Output) KeyText(key string) Output { return o.Key([]byte(key)) }

// NoKey leaves the record without a key.
func (o Output) NoKey() Output {
	o.keyKind, o.key = noKey, nil
	return o
}

// TimestampMs gives the record this event time, milliseconds since 1970-01-01T00:00:00Z.
func (o Output) TimestampMs(timestampMs int64) Output {
	o.hasTime, o.timestampMs = true, timestampMs
	return o
}

// Header adds a header after those of the record in hand.
func (o Output) Header(name string, value []byte) Output {
	o.headers = append(o.headers[:len(o.headers):len(o.headers)], header{name, value})
	return o
}

// NoInputHeaders leaves the headers of the record in hand out; those that are added stay.
func (o Output) NoInputHeaders() Output {
	o.dropHeaders = true
	return o
}

// appender writes a value into the column that crosses to the host.
type appender interface {
	append(buffer []byte) ([]byte, error)
}

type textWriter string

func (t textWriter) append(buffer []byte) ([]byte, error) { return append(buffer, t...), nil }

type funcWriter func([]byte) ([]byte, error)

func (f funcWriter) append(buffer []byte) ([]byte, error) { return f(buffer) }
