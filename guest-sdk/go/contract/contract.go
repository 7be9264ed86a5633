// Package contract has the types of millstream:operator as they cross between host and guest: batches of records as
// columns. wit/types.wit and wit/operator.wit say what each field means.
//
// Whatever is a []byte here is little-endian, in the Arrow layout. What comes from the host is borrowed: it is
// overwritten once the call that it came with has returned.
package contract

import "math"

// NoGroup is the group of a record without a key.
const NoGroup = math.MaxUint32

// UnknownTime is a watermark that is not known, and the time that deletes a timer.
const UnknownTime = math.MinInt64

// BytesColumn is a column of n byte strings, any of which may be null.
type BytesColumn struct {
	// Offsets are n + 1 unsigned 32-bit offsets into Data.
	Offsets []byte
	// Data has the values one after another.
	Data []byte
	// Validity has a bit for each value, 1 where there is one; empty: no value is null.
	Validity []byte
}

// HeaderColumn has the headers of n records.
type HeaderColumn struct {
	// Offsets are n + 1 unsigned 32-bit offsets into Names and Values; empty where no record has headers.
	Offsets []byte
	// Names are UTF-8 and never null.
	Names BytesColumn
	// Values may be null.
	Values BytesColumn
}

// ColumnType is the type of a typed column.
type ColumnType uint8

// The types of typed columns.
const (
	Bytes ColumnType = iota
	UTF8
	Boolean
	Int64
	Float64
)

// String is the name that the contract gives the type.
func (t ColumnType) String() string {
	if int(t) < len(columnTypes) {
		return columnTypes[t]
	}
	return "unknown"
}

var columnTypes = [...]string{"bytes", "utf8", "boolean", "int64", "float64"}

// TypedColumn is a column with a name and a type.
type TypedColumn struct {
	// Name is the path of the field as declared.
	Name string
	// Kind is the type of the values.
	Kind ColumnType
	// Offsets are n + 1 32-bit offsets where Kind is Bytes or UTF8.
	Offsets []byte
	// Data has the values.
	Data []byte
	// Validity is as in BytesColumn.
	Validity []byte
}

// RecordBatch is Count records.
type RecordBatch struct {
	// Count is the number of records.
	Count uint32
	// Keys are null where a record has none.
	Keys BytesColumn
	// Values are null where a record is a tombstone.
	Values BytesColumn
	// Headers of the records.
	Headers HeaderColumn
	// Timestamps are event times, signed 64-bit integers, milliseconds.
	Timestamps []byte
	// Columns are the typed columns, in the order of declaration.
	Columns []TypedColumn
}

// StateKind is the kind of a declared state.
type StateKind uint8

// The kinds of states.
const (
	ValueState StateKind = iota
	MapState
	ListState
)

// StateDeclaration is a state that an operator keeps for each key.
type StateDeclaration struct {
	// Name ties stored state to the operator across versions.
	Name string
	// Kind of the state.
	Kind StateKind
	// SchemaVersion is the version of the stored values' format.
	SchemaVersion uint32
	// TTLMs is the time to live since the last write, milliseconds; 0: kept for good.
	TTLMs uint64
	// Prefetch has the values of a batch's keys passed with the batch.
	Prefetch bool
}

// FieldDeclaration is a typed field that is read or written.
type FieldDeclaration struct {
	// Path in the record, for instance /user/id.
	Path string
	// Kind is its type.
	Kind ColumnType
	// Optional fields may be null.
	Optional bool
}

// Description is what an operator declares about itself.
type Description struct {
	// Outputs are named, the main one first.
	Outputs []string
	// States in the order of their index.
	States []StateDeclaration
	// Reads are the fields that the host decodes.
	Reads []FieldDeclaration
	// Writes are the fields that the operator writes.
	Writes []FieldDeclaration
	// RawValues has the records' bytes passed although typed fields are declared.
	RawValues bool
	// Timers: the operator sets timers.
	Timers bool
	// ConfigSchema is a JSON Schema of the configuration; empty: none.
	ConfigSchema string
}

// BatchInput is a batch with the state that its keys have.
type BatchInput struct {
	// Batch has the records.
	Batch RecordBatch
	// Groups: for each record the index of its key, 32 bits; empty where no state is prefetched.
	Groups []byte
	// GroupKeys are the distinct keys.
	GroupKeys BytesColumn
	// States: for each prefetched state the value of each distinct key.
	States []BytesColumn
	// Watermark is the event time that the input has reached, or UnknownTime.
	Watermark int64
}

// FiredTimers are timers that fired.
type FiredTimers struct {
	// Domain is the clock that they follow.
	Domain TimeDomain
	// Keys, one row for each timer.
	Keys BytesColumn
	// Names of the timers.
	Names BytesColumn
	// Times in milliseconds, 64 bits.
	Times []byte
	// Groups, GroupKeys, States and Watermark are as in BatchInput.
	Groups    []byte
	GroupKeys BytesColumn
	States    []BytesColumn
	Watermark int64
}

// OutputBatch is records for one output.
type OutputBatch struct {
	// Output is its index.
	Output uint32
	// Sources: for each record the index of the input record that it came from, 32 bits.
	Sources []byte
	// Batch has the records.
	Batch RecordBatch
}

// StateChange is changes of one prefetched state.
type StateChange struct {
	// State is the index among the prefetched states.
	State uint32
	// Groups are indices into the batch's GroupKeys, 32 bits.
	Groups []byte
	// Values are the new ones; null deletes.
	Values BytesColumn
}

// FailureColumn is records that failed.
type FailureColumn struct {
	// Records are their indices, 32 bits, ascending.
	Records []byte
	// Reasons are UTF-8, never null.
	Reasons BytesColumn
}

// TimeDomain is a clock.
type TimeDomain uint8

// The clocks that timers follow.
const (
	// EventTime follows the watermark.
	EventTime TimeDomain = iota
	// ProcessingTime follows the host's clock.
	ProcessingTime
)

// String is the name that the contract gives the clock.
func (d TimeDomain) String() string {
	if d == EventTime {
		return "event"
	}
	return "processing"
}

// TimerChanges are timers to set or delete.
type TimerChanges struct {
	// Domain is the clock that they follow.
	Domain TimeDomain
	// Keys that they belong to.
	Keys BytesColumn
	// Names of the timers.
	Names BytesColumn
	// Times in milliseconds, 64 bits; UnknownTime deletes.
	Times []byte
}

// BatchOutput is everything that comes of a batch.
type BatchOutput struct {
	// Outputs that have records.
	Outputs []OutputBatch
	// Changes of prefetched states.
	Changes []StateChange
	// Failures of records.
	Failures FailureColumn
	// Timers to change.
	Timers []TimerChanges
}

// MapPage is a page of a map scan.
type MapPage struct {
	// Fields in ascending order, and their Values.
	Fields, Values BytesColumn
	// More: there are fields after the last one.
	More bool
}
