package host

import (
	"runtime"
	"unsafe"
)

// bytes is where a list begins; a nil pointer where it is empty.
type bytes = unsafe.Pointer

//go:wasmimport millstream:operator/clock@0.1.0 now-ms
func nowMs() int64

//go:wasmimport millstream:operator/clock@0.1.0 random-u64
func randomU64() uint64

//go:wasmimport millstream:operator/log@0.1.0 write
func logWrite(level uint32, message bytes, length uint32)

//go:wasmimport millstream:operator/log@0.1.0 enabled
func logEnabled(level uint32) uint32

//go:wasmimport millstream:operator/metrics@0.1.0 counter-add
func counterAdd(name bytes, length uint32, delta uint64)

//go:wasmimport millstream:operator/metrics@0.1.0 gauge-set
func gaugeSet(name bytes, length uint32, value float64)

//go:wasmimport millstream:operator/metrics@0.1.0 histogram-record
func histogramRecord(name bytes, length uint32, value float64)

// NowMs is the processing time of the batch in hand.
func NowMs() int64 { return nowMs() }

// RandomU64 is the next random number.
func RandomU64() uint64 { return randomU64() }

// Log writes a line.
func Log(level Level, message string) {
	logWrite(uint32(level), text(message), uint32(len(message)))
	runtime.KeepAlive(message)
}

// LogEnabled says whether lines of a level are kept.
func LogEnabled(level Level) bool { return logEnabled(uint32(level)) != 0 }

// CounterAdd adds to a counter.
func CounterAdd(name string, delta uint64) {
	counterAdd(text(name), uint32(len(name)), delta)
	runtime.KeepAlive(name)
}

// GaugeSet sets a gauge.
func GaugeSet(name string, value float64) {
	gaugeSet(text(name), uint32(len(name)), value)
	runtime.KeepAlive(name)
}

// HistogramRecord records an observation.
func HistogramRecord(name string, value float64) {
	histogramRecord(text(name), uint32(len(name)), value)
	runtime.KeepAlive(name)
}

func text(of string) bytes { return unsafe.Pointer(unsafe.StringData(of)) }
