//go:build !wasm

package host

import "millstream.dev/millstream/contract"

// Host is a host for native tests.
type Host interface {
	NowMs() int64
	RandomU64() uint64
	Log(level Level, message string)
	LogEnabled(level Level) bool
	CounterAdd(name string, delta uint64)
	GaugeSet(name string, value float64)
	HistogramRecord(name string, value float64)
	GetMany(state uint32, keys *contract.BytesColumn) (contract.BytesColumn, error)
	PutMany(state uint32, keys, values *contract.BytesColumn) error
	MapGetMany(state uint32, keys, fields *contract.BytesColumn) (contract.BytesColumn, error)
	MapPutMany(state uint32, keys, fields, values *contract.BytesColumn) error
	MapScan(state uint32, key, start, end []byte, limit uint32) (contract.MapPage, error)
	MapClearMany(state uint32, keys *contract.BytesColumn) error
	ListAppendMany(state uint32, keys, values *contract.BytesColumn) error
	ListRead(state uint32, key []byte, start uint64, limit uint32) (contract.BytesColumn, error)
	ListLength(state uint32, key []byte) (uint64, error)
	ListClearMany(state uint32, keys *contract.BytesColumn) error
}

// Current answers the calls of the operator that is being tested. One test at a time has the host.
var Current Host

func NowMs() int64 {
	if Current == nil {
		return 0
	}
	return Current.NowMs()
}

func RandomU64() uint64 { return Current.RandomU64() }

func Log(level Level, message string) {
	if Current != nil {
		Current.Log(level, message)
	}
}

func LogEnabled(level Level) bool { return Current != nil && Current.LogEnabled(level) }

func CounterAdd(name string, delta uint64)       { Current.CounterAdd(name, delta) }
func GaugeSet(name string, value float64)        { Current.GaugeSet(name, value) }
func HistogramRecord(name string, value float64) { Current.HistogramRecord(name, value) }

func GetMany(state uint32, keys *contract.BytesColumn) (contract.BytesColumn, error) {
	return Current.GetMany(state, keys)
}

func PutMany(state uint32, keys, values *contract.BytesColumn) error {
	return Current.PutMany(state, keys, values)
}

func MapGetMany(state uint32, keys, fields *contract.BytesColumn) (contract.BytesColumn, error) {
	return Current.MapGetMany(state, keys, fields)
}

func MapPutMany(state uint32, keys, fields, values *contract.BytesColumn) error {
	return Current.MapPutMany(state, keys, fields, values)
}

// MapScan reads fields of a key from start on, and before end unless that is nil.
func MapScan(state uint32, key, start, end []byte, limit uint32) (contract.MapPage, error) {
	return Current.MapScan(state, key, start, end, limit)
}

func MapClearMany(state uint32, keys *contract.BytesColumn) error {
	return Current.MapClearMany(state, keys)
}

func ListAppendMany(state uint32, keys, values *contract.BytesColumn) error {
	return Current.ListAppendMany(state, keys, values)
}

func ListRead(state uint32, key []byte, start uint64, limit uint32) (contract.BytesColumn, error) {
	return Current.ListRead(state, key, start, limit)
}

func ListLength(state uint32, key []byte) (uint64, error) { return Current.ListLength(state, key) }

func ListClearMany(state uint32, keys *contract.BytesColumn) error {
	return Current.ListClearMany(state, keys)
}
